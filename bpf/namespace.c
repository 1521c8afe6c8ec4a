/* namespace.c -- processes that leave their namespaces or mount something.
 *
 * Sees:   setns, unshare, mount, umount2 at their exit.
 * Misses: clone with new namespaces (fork.c has its flags); the newer fsopen/move_mount way to mount.
 * Cost:   one program per call; rare.
 */

struct namespaced {
    struct head head;
    struct file_facts file;
    s32 fd;
    u32 nstype;
};

struct unshared {
    struct head head;
    u32 flags;
};

struct mounted {
    struct head head;
    u32 flags;
    text dev;
    text dir;
    tree base_dir;
    text type;
};

struct unmounted {
    struct head head;
    u32 flags;
    text name;
    tree base_name;
};

EVENT(setns, namespaced, head.res, fd, nstype)
EVENT(unshare, unshared, head.res, flags)
EVENT(mount, mounted, head.res, dev, dir, type, flags)
EVENT(umount2, unmounted, head.res, name, flags)

SYSCALL(setns)
{
    BEGIN(namespaced, TYPE_setns);
    event->fd = given.a0;
    event->nstype = given.a1;
    put_file_facts(&event->file, file_of(given.a0));
    return submit(event);
}

SYSCALL(unshare)
{
    BEGIN(unshared, TYPE_unshare);
    event->flags = given.a0;
    return submit(event);
}

SYSCALL(mount)
{
    BEGIN(mounted, TYPE_mount);
    event->flags = given.a3;
    event->dev = put_user_text(event, given.a0);
    event->dir = put_user_text(event, given.a1);
    event->base_dir = put_base(event, AT_FDCWD, event->dir);
    event->type = put_user_text(event, given.a2);
    return submit(event);
}

SYSCALL(umount) /* umount2(2), by the name the kernel has for it */
{
    BEGIN(unmounted, TYPE_umount2);
    event->flags = given.a1;
    event->name = put_user_text(event, given.a0);
    event->base_name = put_base(event, AT_FDCWD, event->name);
    return submit(event);
}
