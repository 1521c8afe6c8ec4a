/* link.c -- hard and symbolic links made.
 *
 * Sees:   link, linkat, symlink, symlinkat at their exit. A symbolic link's target is text that nobody has
 *         looked up, so it is never made absolute.
 * Misses: io_uring; 32-bit programs.
 * Cost:   one program per call.
 */

struct linked {
    struct head head;
    s32 olddir;
    s32 newdir;
    u32 flags;
    text oldpath;
    tree base_oldpath;
    text newpath;
    tree base_newpath;
};

struct symlinked {
    struct head head;
    s32 linkdirfd;
    text target;
    text linkpath;
    tree base_linkpath;
};

EVENT(link, linked, head.res, oldpath, newpath)
EVENT(linkat, linked, head.res, olddir, oldpath, newdir, newpath, flags)
EVENT(symlink, symlinked, head.res, target, linkpath)
EVENT(symlinkat, symlinked, head.res, target, linkdirfd, linkpath)

INLINE int put_linked(struct linked *event, s32 olddir, u64 oldpath, s32 newdir, u64 newpath, u32 flags)
{
    event->olddir = olddir;
    event->newdir = newdir;
    event->flags = flags;
    event->oldpath = put_user_text(event, oldpath);
    event->base_oldpath = put_base(event, olddir, event->oldpath);
    event->newpath = put_user_text(event, newpath);
    event->base_newpath = put_base(event, newdir, event->newpath);
    return submit(event);
}

INLINE int put_symlinked(struct symlinked *event, u64 target, s32 linkdirfd, u64 linkpath)
{
    event->linkdirfd = linkdirfd;
    event->target = put_user_text(event, target);
    event->linkpath = put_user_text(event, linkpath);
    event->base_linkpath = put_base(event, linkdirfd, event->linkpath);
    return submit(event);
}

SYSCALL(link)
{
    BEGIN(linked, TYPE_link);
    return put_linked(event, AT_FDCWD, given.a0, AT_FDCWD, given.a1, 0);
}

SYSCALL(linkat)
{
    BEGIN(linked, TYPE_linkat);
    return put_linked(event, given.a0, given.a1, given.a2, given.a3, given.a4);
}

SYSCALL(symlink)
{
    BEGIN(symlinked, TYPE_symlink);
    return put_symlinked(event, given.a0, AT_FDCWD, given.a1);
}

SYSCALL(symlinkat)
{
    BEGIN(symlinked, TYPE_symlinkat);
    return put_symlinked(event, given.a0, given.a1, given.a2);
}
