/* open.c -- files opened, with the result.
 *
 * Sees:   open, openat, openat2, creat at their exit, so the result is known; for a success also the
 *         inode, the device and whether the file was created by this very call.
 * Misses: 32-bit programs on a 64-bit kernel, io_uring, open_by_handle_at. A path is cut at 4095 bytes.
 *         The path is read when the call returns: another thread may have changed it since.
 * Cost:   one program per open; see docs/probes.md.
 */

#define O_CREAT 0100
#define O_TMPFILE 020000000
#define O_MAKES (O_CREAT | O_TMPFILE)

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

INLINE int put_opened(struct opened *event, s32 fd, s32 dirfd, u64 name)
{
    if (!(event->flags & O_MAKES)) /* else nobody gave a mode, and the register holds anything */
        event->mode = 0;
    event->fd = fd;
    event->dirfd = dirfd;
    put_file_facts(&event->file, file_of(fd));
    event->name = put_user_text(event, name);
    event->base_name = put_base(event, dirfd, event->name);
    return submit(event);
}

SYSCALL(open)
{
    BEGIN(opened, TYPE_open);
    event->flags = given.a1;
    event->mode = given.a2;
    return put_opened(event, ctx->ret, AT_FDCWD, given.a0);
}

SYSCALL(openat)
{
    BEGIN(opened, TYPE_openat);
    event->flags = given.a2;
    event->mode = given.a3;
    return put_opened(event, ctx->ret, given.a0, given.a1);
}

SYSCALL(openat2)
{
    u64 how[3] = {}; /* struct open_how: flags, mode, resolve */
    BEGIN(opened, TYPE_openat2);
    bpf_probe_read_user(how, sizeof(how), (void *)given.a2);
    event->flags = how[0];
    event->mode = how[1];
    event->resolve = how[2];
    return put_opened(event, ctx->ret, given.a0, given.a1);
}

SYSCALL(creat)
{
    BEGIN(opened, TYPE_creat);
    event->mode = given.a1;
    event->creat_flags = 0;
    event->flags = 01101; /* creat(2): as open with O_CREAT, O_WRONLY and O_TRUNC */
    return put_opened(event, ctx->ret, AT_FDCWD, given.a0);
}
