/* connect.c -- sockets connected to somewhere.
 *
 * Sees:   connect at its exit, with the address that was asked for, the socket's own end, and results such
 *         as EINPROGRESS of a socket that does not wait.
 * Misses: whether a connection that was in progress came about later; io_uring; datagrams sent to an
 *         address without connect.
 * Cost:   one program per connect.
 */

#define MAX_ADDRESS 128 /* struct sockaddr_storage */

struct connected {
    struct head head;
    struct file_facts file;
    struct socket_facts socket;
    s32 fd;
    u32 role; /* 0: this end is the client */
    bytes addr;
};

EVENT(connect, connected, head.res, addr, fd)

SYSCALL(connect)
{
    BEGIN(connected, TYPE_connect);
    u64 file = file_of(given.a0);
    u64 length = given.a2 & 0xffffffff;
    event->fd = given.a0;
    event->role = 0;
    put_file_facts(&event->file, file);
    put_socket_facts(&event->socket, file);
    event->addr = put_user_bytes(event, given.a1, given.a1 + (length > MAX_ADDRESS ? MAX_ADDRESS : length));
    return submit(event);
}
