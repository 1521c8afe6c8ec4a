/* socket.c -- sockets made, bound, listened on, and connections accepted.
 *
 * Sees:   socket, bind, listen, accept, accept4 at their exit, with the socket's ends.
 * Misses: socketpair; io_uring; 32-bit programs (socketcall).
 * Cost:   one program per call.
 */

#define MAX_BOUND_ADDRESS 128 /* struct sockaddr_storage */

struct socketed {
    struct head head;
    struct file_facts file;
    struct socket_facts socket;
    s32 fd;
    u32 domain;
    u32 type;
    u32 proto;
};

struct bound {
    struct head head;
    struct file_facts file;
    struct socket_facts socket;
    s32 fd;
    s32 backlog;
    bytes addr;
};

struct accepted {
    struct head head;
    struct file_facts file;
    struct socket_facts socket;
    s32 fd;
    u32 flags;
    u32 role; /* 1: this end is the server */
};

EVENT(socket, socketed, fd, domain, type, proto)
EVENT(bind, bound, head.res, addr, fd)
EVENT(listen, bound, head.res, fd, backlog)
EVENT(accept, accepted, fd)
EVENT(accept4, accepted, fd, flags)

INLINE int put_accepted(struct accepted *event, s32 fd, u32 flags)
{
    u64 file = file_of(fd);
    event->fd = fd;
    event->flags = flags;
    event->role = 1;
    put_file_facts(&event->file, file);
    put_socket_facts(&event->socket, file);
    return submit(event);
}

INLINE void put_bound(struct bound *event, s32 fd)
{
    u64 file = file_of(fd);
    event->fd = fd;
    event->backlog = 0;
    event->addr = 0;
    put_file_facts(&event->file, file);
    put_socket_facts(&event->socket, file);
}

SYSCALL(socket)
{
    BEGIN(socketed, TYPE_socket);
    u64 file = file_of(ctx->ret);
    event->fd = ctx->ret;
    event->domain = given.a0;
    event->type = given.a1;
    event->proto = given.a2;
    put_file_facts(&event->file, file);
    put_socket_facts(&event->socket, file);
    return submit(event);
}

SYSCALL(bind)
{
    BEGIN(bound, TYPE_bind);
    u64 length = given.a2 & 0xffffffff;
    put_bound(event, given.a0);
    event->addr = put_user_bytes(event, given.a1,
                                 given.a1 + (length > MAX_BOUND_ADDRESS ? MAX_BOUND_ADDRESS : length));
    return submit(event);
}

SYSCALL(listen)
{
    BEGIN(bound, TYPE_listen);
    put_bound(event, given.a0);
    event->backlog = given.a1;
    return submit(event);
}

SYSCALL(accept)
{
    BEGIN(accepted, TYPE_accept);
    return put_accepted(event, ctx->ret, 0);
}

SYSCALL(accept4)
{
    BEGIN(accepted, TYPE_accept4);
    return put_accepted(event, ctx->ret, given.a3);
}
