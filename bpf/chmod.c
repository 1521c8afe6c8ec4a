/* chmod.c -- permissions changed.
 *
 * Sees:   chmod, fchmod, fchmodat at their exit; fchmodat2 is reported as fchmodat.
 * Misses: ACLs and file capabilities (setxattr); 32-bit programs.
 * Cost:   one program per call.
 */

struct permitted {
    struct head head;
    s32 dirfd;
    u32 mode;
    text filename;
    tree base_filename;
};

struct permitted_fd {
    struct head head;
    struct file_facts file;
    s32 fd;
    u32 mode;
    tree fd_path;
};

EVENT(chmod, permitted, head.res, filename, mode)
EVENT(fchmod, permitted_fd, head.res, fd, mode)
EVENT(fchmodat, permitted, head.res, dirfd, filename, mode)

INLINE int put_permitted(struct permitted *event, s32 dirfd, u64 filename, u32 mode)
{
    event->dirfd = dirfd;
    event->mode = mode;
    event->filename = put_user_text(event, filename);
    event->base_filename = put_base(event, dirfd, event->filename);
    return submit(event);
}

SYSCALL(chmod)
{
    BEGIN(permitted, TYPE_chmod);
    return put_permitted(event, AT_FDCWD, given.a0, given.a1);
}

SYSCALL(fchmod)
{
    BEGIN(permitted_fd, TYPE_fchmod);
    u64 file = file_of(given.a0);
    event->fd = given.a0;
    event->mode = given.a1;
    put_file_facts(&event->file, file);
    event->fd_path = put_file_tree(event, file);
    return submit(event);
}

SYSCALL(fchmodat)
{
    BEGIN(permitted, TYPE_fchmodat);
    return put_permitted(event, given.a0, given.a1, given.a2);
}

SYSCALL(fchmodat2)
{
    BEGIN(permitted, TYPE_fchmodat);
    return put_permitted(event, given.a0, given.a1, given.a2);
}
