/* unlink.c -- files and directories removed.
 *
 * Sees:   unlink, unlinkat, rmdir at their exit.
 * Misses: io_uring; 32-bit programs; a file that only loses its last hard link elsewhere.
 * Cost:   one program per call.
 */

struct unlinked {
    struct head head;
    s32 dirfd;
    u32 flags;
    text path;
    tree base_path;
    text name;
    tree base_name;
};

EVENT(unlink, unlinked, head.res, path)
EVENT(unlinkat, unlinked, head.res, dirfd, name, flags)
EVENT(rmdir, unlinked, head.res, path)

INLINE int put_unlinked(struct unlinked *event, u64 path)
{
    event->path = put_user_text(event, path);
    event->base_path = put_base(event, AT_FDCWD, event->path);
    return submit(event);
}

SYSCALL(unlink)
{
    BEGIN(unlinked, TYPE_unlink);
    return put_unlinked(event, given.a0);
}

SYSCALL(unlinkat)
{
    BEGIN(unlinked, TYPE_unlinkat);
    event->dirfd = given.a0;
    event->flags = given.a2;
    event->name = put_user_text(event, given.a1);
    event->base_name = put_base(event, event->dirfd, event->name);
    return submit(event);
}

SYSCALL(rmdir)
{
    BEGIN(unlinked, TYPE_rmdir);
    return put_unlinked(event, given.a0);
}
