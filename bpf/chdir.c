/* chdir.c -- processes that move to another working directory.
 *
 * Sees:   chdir and fchdir at their exit, with the directory the process is in afterwards.
 * Misses: io_uring has no chdir; a directory that is renamed while a process is in it.
 * Cost:   one program per call; programs seldom make it.
 */

struct moved {
    struct head head;
    s32 fd;
    text path;
    tree cwd;
};

EVENT(chdir, moved, head.res, path)
EVENT(fchdir, moved, head.res, fd)

SYSCALL(chdir)
{
    BEGIN(moved, TYPE_chdir);
    event->fd = -1;
    event->path = put_user_text(event, given.a0);
    event->cwd = put_cwd(event);
    return submit(event);
}

SYSCALL(fchdir)
{
    BEGIN(moved, TYPE_fchdir);
    event->fd = given.a0;
    event->path = 0;
    event->cwd = put_cwd(event);
    return submit(event);
}
