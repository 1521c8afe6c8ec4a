/* rename.c -- files and directories renamed.
 *
 * Sees:   rename, renameat, renameat2 at their exit.
 * Misses: io_uring; 32-bit programs.
 * Cost:   one program per call.
 */

struct renamed {
    struct head head;
    s32 olddirfd;
    s32 newdirfd;
    u32 flags;
    text oldpath;
    tree base_oldpath;
    text newpath;
    tree base_newpath;
};

EVENT(rename, renamed, head.res, oldpath, newpath)
EVENT(renameat, renamed, head.res, olddirfd, oldpath, newdirfd, newpath)
EVENT(renameat2, renamed, head.res, olddirfd, oldpath, newdirfd, newpath, flags)

INLINE int put_renamed(struct renamed *event, s32 olddirfd, u64 oldpath, s32 newdirfd, u64 newpath, u32 flags)
{
    event->olddirfd = olddirfd;
    event->newdirfd = newdirfd;
    event->flags = flags;
    event->oldpath = put_user_text(event, oldpath);
    event->base_oldpath = put_base(event, olddirfd, event->oldpath);
    event->newpath = put_user_text(event, newpath);
    event->base_newpath = put_base(event, newdirfd, event->newpath);
    return submit(event);
}

SYSCALL(rename)
{
    BEGIN(renamed, TYPE_rename);
    return put_renamed(event, AT_FDCWD, given.a0, AT_FDCWD, given.a1, 0);
}

SYSCALL(renameat)
{
    BEGIN(renamed, TYPE_renameat);
    return put_renamed(event, given.a0, given.a1, given.a2, given.a3, 0);
}

SYSCALL(renameat2)
{
    BEGIN(renamed, TYPE_renameat2);
    return put_renamed(event, given.a0, given.a1, given.a2, given.a3, given.a4);
}
