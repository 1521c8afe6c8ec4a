/* dup.c -- descriptors duplicated; how a reverse shell gets its input and output onto a socket.
 *
 * Sees:   dup, dup2, dup3 at their exit, with what the new descriptor leads to: a file or both ends of a
 *         connection.
 * Misses: fcntl(F_DUPFD); descriptors passed over a unix socket or inherited.
 * Cost:   one program per call; shells make a handful for every command.
 */

struct duplicated {
    struct head head;
    struct file_facts file;
    struct socket_facts socket;
    s32 fd;
    s32 oldfd;
    s32 newfd;
    u32 flags;
    tree fd_path;
};

EVENT(dup, duplicated, head.res, oldfd)
EVENT(dup2, duplicated, head.res, oldfd, newfd)
EVENT(dup3, duplicated, head.res, oldfd, newfd, flags)

INLINE int put_duplicated(struct duplicated *event, s32 fd, s32 oldfd, s32 newfd, u32 flags)
{
    u64 file = file_of(fd);
    event->fd = fd;
    event->oldfd = oldfd;
    event->newfd = newfd;
    event->flags = flags;
    event->fd_path = 0;
    put_file_facts(&event->file, file);
    put_socket_facts(&event->socket, file);
    if (!event->socket.family)
        event->fd_path = put_file_tree(event, file);
    return submit(event);
}

SYSCALL(dup)
{
    BEGIN(duplicated, TYPE_dup);
    return put_duplicated(event, ctx->ret, given.a0, ctx->ret, 0);
}

SYSCALL(dup2)
{
    BEGIN(duplicated, TYPE_dup2);
    return put_duplicated(event, ctx->ret, given.a0, given.a1, 0);
}

SYSCALL(dup3)
{
    BEGIN(duplicated, TYPE_dup3);
    return put_duplicated(event, ctx->ret, given.a0, given.a1, given.a2);
}
