/* open.c -- files opened, with the result.
 *
 * Sees:   open, openat, openat2, creat at their exit, so the result is known; for a success also the
 *         inode, the device and whether the file was created by this very call.
 * Misses: 32-bit programs on a 64-bit kernel, io_uring, open_by_handle_at. A path is cut at 4095 bytes.
 *         The path is read when the call returns: another thread may have changed it since.
 * Cost:   one program per open; see docs/probes.md.
 */

struct opened {
    struct head head;
    struct file_facts file;
    s32 fd;
    s32 dirfd;
    u32 flags;
    u32 mode;
    u32 resolve;
    u32 creat_flags;
    text name;
    tree base_name;
};

EVENT(open, opened, fd, name, flags, mode, file.dev, file.ino)
EVENT(openat, opened, fd, dirfd, name, flags, mode, file.dev, file.ino)
EVENT(openat2, opened, fd, dirfd, name, flags, mode, resolve, file.dev, file.ino)
EVENT(creat, opened, fd, name, mode, file.dev, file.ino, creat_flags)

INLINE int opened(struct sys_exit *ctx, u16 type, s32 dirfd, u64 name, u64 flags, u64 mode,
                                  u64 resolve)
{
    struct opened *event = begin(type, ctx->ret, sizeof(*event));
    if (!event)
        return 0;
    event->fd = ctx->ret;
    event->dirfd = dirfd;
    event->flags = flags;
    event->mode = mode;
    event->resolve = resolve;
    event->creat_flags = 0;
    put_file_facts(&event->file, file_of(ctx->ret));
    event->name = put_user_text(event, name);
    event->base_name = put_base(event, dirfd, event->name);
    return submit(event);
}

SYSCALL(open)
{
    struct arguments given = {};
    read_arguments(&given);
    return opened(ctx, TYPE_open, AT_FDCWD, given.a0, given.a1, given.a2, 0);
}

SYSCALL(openat)
{
    struct arguments given = {};
    read_arguments(&given);
    return opened(ctx, TYPE_openat, given.a0, given.a1, given.a2, given.a3, 0);
}

SYSCALL(openat2)
{
    struct arguments given = {};
    u64 how[3] = {}; /* struct open_how: flags, mode, resolve */
    read_arguments(&given);
    bpf_probe_read_user(how, sizeof(how), (void *)given.a2);
    return opened(ctx, TYPE_openat2, given.a0, given.a1, how[0], how[1], how[2]);
}

SYSCALL(creat)
{
    struct arguments given = {};
    read_arguments(&given);
    /* creat(2): as open with O_CREAT|O_WRONLY|O_TRUNC */
    return opened(ctx, TYPE_creat, AT_FDCWD, given.a0, 01101, given.a1, 0);
}
