/* module.c -- code put into the kernel: modules and BPF programs.
 *
 * Sees:   init_module, finit_module, delete_module and bpf at their exit.
 * Misses: what a module or program then does. Of init_module's image only the length is told.
 * Cost:   one program per call; rare, but for programs that live by bpf(2).
 */

struct inserted {
    struct head head;
    struct file_facts file;
    u64 length;
    s32 fd;
    u32 flags;
    text uargs;
    tree fd_path;
};

struct deleted {
    struct head head;
    u32 flags;
    text name;
};

struct bpf_called {
    struct head head;
    s32 fd;
    u32 cmd;
};

EVENT(init_module, inserted, head.res, length, uargs)
EVENT(finit_module, inserted, head.res, fd, uargs, flags)
EVENT(delete_module, deleted, head.res, name, flags)
EVENT(bpf, bpf_called, fd, cmd)

SYSCALL(init_module)
{
    BEGIN(inserted, TYPE_init_module);
    __builtin_memset(&event->file, 0, sizeof(event->file));
    event->fd = -1;
    event->length = given.a1;
    event->uargs = put_user_text(event, given.a2);
    event->fd_path = 0;
    return submit(event);
}

SYSCALL(finit_module)
{
    BEGIN(inserted, TYPE_finit_module);
    u64 file = file_of(given.a0);
    event->fd = given.a0;
    event->flags = given.a2;
    put_file_facts(&event->file, file);
    event->uargs = put_user_text(event, given.a1);
    event->fd_path = put_file_tree(event, file);
    return submit(event);
}

SYSCALL(delete_module)
{
    BEGIN(deleted, TYPE_delete_module);
    event->flags = given.a1;
    event->name = put_user_text(event, given.a0);
    return submit(event);
}

SYSCALL(bpf)
{
    BEGIN(bpf_called, TYPE_bpf);
    event->fd = ctx->ret;
    event->cmd = given.a0;
    return submit(event);
}
