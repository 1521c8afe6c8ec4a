/* memfd.c -- files made in memory, where programs without a file on disk are run from.
 *
 * Sees:   memfd_create at its exit. Running such a file is seen by exec.c.
 * Misses: memfd_secret, which cannot be run from.
 * Cost:   one program per call.
 */

struct memfd {
    struct head head;
    struct file_facts file;
    s32 fd;
    u32 flags;
    text name;
};

EVENT(memfd_create, memfd, fd, name, flags)

SYSCALL(memfd_create)
{
    BEGIN(memfd, TYPE_memfd_create);
    event->fd = ctx->ret;
    event->flags = given.a1;
    put_file_facts(&event->file, file_of(ctx->ret));
    event->name = put_user_text(event, given.a0);
    return submit(event);
}
