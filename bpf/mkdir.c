/* mkdir.c -- directories made.
 *
 * Sees:   mkdir, mkdirat at their exit.
 * Misses: io_uring; 32-bit programs.
 * Cost:   one program per call.
 */

struct made {
    struct head head;
    s32 dirfd;
    u32 mode;
    text path;
    tree base_path;
};

EVENT(mkdir, made, head.res, path, mode)
EVENT(mkdirat, made, head.res, dirfd, path, mode)

INLINE int put_made(struct made *event, s32 dirfd, u64 path, u32 mode)
{
    event->dirfd = dirfd;
    event->mode = mode;
    event->path = put_user_text(event, path);
    event->base_path = put_base(event, dirfd, event->path);
    return submit(event);
}

SYSCALL(mkdir)
{
    BEGIN(made, TYPE_mkdir);
    return put_made(event, AT_FDCWD, given.a0, given.a1);
}

SYSCALL(mkdirat)
{
    BEGIN(made, TYPE_mkdirat);
    return put_made(event, given.a0, given.a1, given.a2);
}
