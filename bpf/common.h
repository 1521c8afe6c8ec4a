/* common.h -- what every probe shares: the event's head, its strings, the ring buffer and the filters.
 *
 * All probes are compiled as one module: this file first, then the probes, in one translation unit.
 * There are no kernel headers: sensor/probes/kernel.py writes the few stubs bcc wants, and
 * OFFSET(struct, member) is a number that sensor/probes/layout.py takes from the kernel's BTF.
 *
 * The structs are the schema (sensor/probes/schema.py reads them): a member's name is the event
 * parameter's name. Types allowed: u8 u16 u32 u64 s32 s64, and these, which are stored behind the struct:
 *   text  a string read from user or kernel memory, without its NUL
 *   list  strings separated by NUL (argv, envp)
 *   bytes memory as it is
 *   tree  an absolute path as its components, leaf first, each with a NUL
 * EVENT(type, struct, members...) names an event type, its struct and which members are its parameters,
 * in the order evt.args prints them; TYPE_<type> is its number in the head.
 */

typedef u32 text;
typedef u32 list;
typedef u32 tree;
typedef u32 bytes;

#define EVENT(type, layout, ...) _Static_assert(TYPE_##type > 0, #type);

#define INLINE static inline __attribute__((always_inline))

#define MAX_TEXT 4096        /* PATH_MAX; a longer string is cut */
#define MAX_DEPTH 40         /* path components; a deeper path is left out and looked up in /proc */
#define MAX_NAME 256         /* NAME_MAX and its NUL */
#define MAX_STRINGS 0x4000   /* where the last string of an event may start; a power of two */
#define AT_FDCWD -100

#define AF_INET 2
#define AF_INET6 10
#define S_IFMT 0170000
#define S_IFSOCK 0140000

#define GLUE_(a, b, c, d) a##b##c##d
#define GLUE(a, b, c, d) GLUE_(a, b, c, d)
#define OFFSET(container, member) GLUE(OFFSET_, container, __, member)

#define READ(type, base, container, member)                                                     \
    ({                                                                                           \
        type value_ = (type)0;                                                                   \
        bpf_probe_read_kernel(&value_, sizeof(value_), (void *)((u64)(base) + OFFSET(container, member))); \
        value_;                                                                                  \
    })

#define LOAD(type, address)                                                \
    ({                                                                     \
        type value_ = (type)0;                                             \
        bpf_probe_read_kernel(&value_, sizeof(value_), (void *)(address)); \
        value_;                                                            \
    })

struct head {
    u16 type;
    u16 cpu;
    u32 pid;        /* thread group id: what user space calls the process */
    u64 time;       /* nanoseconds since boot, suspend included */
    u64 start_time; /* of the process, on the same clock */
    s64 res;
    u32 tid;
    u32 ppid;
    u32 uid;        /* effective, in the initial user namespace */
    u32 gid;
    u64 comm_low;   /* the 16 bytes of the thread's comm */
    u64 comm_high;
};

/* What the kernel knows of the file behind a descriptor. */
struct file_facts {
    u32 dev;        /* as stat(2) shows it */
    u32 inode_mode;
    u64 ino;
    u32 file_mode;  /* FMODE_* of struct file */
    u32 file_found;
};

/* What the kernel knows of a socket; addresses and the remote port in network order. */
struct socket_facts {
    u16 family;     /* AF_*; 0 where the descriptor is no socket */
    u16 kind;       /* SOCK_* */
    u16 protocol;   /* IPPROTO_* */
    u16 local_port; /* in host order, as the kernel keeps it */
    u16 remote_port;
    u16 unused;
    u32 state;      /* TCP_* */
    u64 local_low, local_high;
    u64 remote_low, remote_high;
};

/* Where an event is put together, one for each CPU; 32 KiB is the most a per-CPU value may take. `end` is where
 * the next string goes. It is kept in memory because a number the verifier cannot follow keeps it from checking
 * everything behind a loop anew for every round of the loop. */
struct scratch {
    u8 bytes[0x7ff8];
    u64 end;
};

BPF_RINGBUF_OUTPUT(events, RING_PAGES);
BPF_PERCPU_ARRAY(scratch, struct scratch, 1);
/* Events that found the ring buffer full, by CPU. User space maps it and adds up. */
BPF_F_TABLE("array", u32, u64, lost, CPUS, BPF_F_MMAPABLE);
/* Written by user space through mmap: by event type, what to report; in slot 0 the sensor's own pid. */
BPF_F_TABLE("array", u32, u64, wanted, WANTED_SLOTS, BPF_F_MMAPABLE);
#define WANT_SUCCESS 1
#define WANT_DENIED 2  /* failed with EPERM or EACCES */
#define WANT_FAILED 4  /* failed with anything else */

/* The helper that finds a task's user registers: kernel 5.15. Older bcc does not declare it. */
static u64 (*task_registers)(u64 task) = (void *)175;
static u64 (*current_task_btf)(void) = (void *)158;

struct sys_exit {
    u64 common;
    s64 nr;
    s64 ret;
};

struct raw_args {
    u64 args[4];
};

#define SYSCALL(name) int on__syscalls__sys_exit_##name(struct sys_exit *ctx)
#define RAW(name) int raw__##name(struct raw_args *ctx)

/* The six arguments as user space gave them: on x86-64 they survive in the saved registers until the
 * system call returns, so one program at the exit is enough. r10 r9 r8 ax cx dx si di orig_ax. */
struct arguments {
    u64 a3, a5, a4, unused_ax, unused_cx, a2, a1, a0;
    s64 nr;
};

INLINE void read_arguments(struct arguments *arguments)
{
    u64 registers = task_registers(current_task_btf());
    bpf_probe_read_kernel(arguments, sizeof(*arguments), (void *)(registers + OFFSET(pt_regs, r10)));
}

INLINE int is_wanted(u16 type, s64 res)
{
    u32 slot = type;
    u64 *mask = wanted.lookup(&slot);
    u64 outcome = res >= 0 ? WANT_SUCCESS : res == -1 || res == -13 ? WANT_DENIED : WANT_FAILED;
    return mask && (*mask & outcome);
}

/* Start an event of `size` bytes in this CPU's scratch space, or return 0 where nobody wants it. The sensor's
 * own doings are never reported. */
INLINE void *begin(u16 type, s64 res, u64 size)
{
    u64 pid_tgid = bpf_get_current_pid_tgid();
    u32 zero = 0;
    u64 *self = wanted.lookup(&zero);
    if (!self || pid_tgid >> 32 == *self || !is_wanted(type, res))
        return 0;
    struct scratch *space = scratch.lookup(&zero);
    if (!space)
        return 0;
    struct head *head = (struct head *)space;
    u64 task = bpf_get_current_task();
    u64 leader = READ(u64, task, task_struct, group_leader);
    u64 parent = READ(u64, leader, task_struct, real_parent);
    u64 cred = READ(u64, task, task_struct, cred);
    head->type = type;
    head->cpu = bpf_get_smp_processor_id();
    head->pid = pid_tgid >> 32;
    head->tid = pid_tgid;
    head->time = bpf_ktime_get_boot_ns();
    head->start_time = READ(u64, leader, task_struct, start_boottime);
    head->res = res;
    head->ppid = READ(u32, parent, task_struct, tgid);
    bpf_probe_read_kernel(&head->uid, 8, (void *)(cred + OFFSET(cred, euid)));
    bpf_get_current_comm(&head->comm_low, 16);
    space->end = size;
    return space;
}

/* Declares `event` and `given` in a SYSCALL program, and leaves it where nobody wants the event. */
#define BEGIN(layout, type)                                                  \
    struct arguments given = {};                                             \
    struct layout *event = begin(type, ctx->ret, sizeof(struct layout));     \
    if (!event)                                                              \
        return 0;                                                            \
    read_arguments(&given)

/* A string's place in the event: offset in the upper half, length in the lower; 0 is missing. */
#define PLACE(at, length) ((u32)(at) << 16 | (u32)(length))

/* Room for a string at an offset that the verifier can see to be in bounds. */
INLINE u8 *room(void *event, u64 at)
{
    asm volatile("" : "+r"(at)); /* else the compiler, which knows it is, would drop the mask */
    return (u8 *)event + (at & (MAX_STRINGS - 1));
}

INLINE u64 end_of(void *event)
{
    return ((struct scratch *)event)->end;
}

INLINE text placed(void *event, u64 at, s64 length)
{
    if (length <= 0)
        return 0;
    ((struct scratch *)event)->end = at + length;
    return PLACE(at, length);
}

INLINE text put_user_text(void *event, u64 address)
{
    u64 at = end_of(event);
    if (at >= MAX_STRINGS)
        return 0;
    return placed(event, at, bpf_probe_read_user_str(room(event, at), MAX_TEXT, (void *)address));
}

INLINE text put_kernel_text(void *event, u64 address)
{
    u64 at = end_of(event);
    if (at >= MAX_STRINGS)
        return 0;
    return placed(event, at, bpf_probe_read_kernel_str(room(event, at), MAX_TEXT, (void *)address));
}

/* Up to 4095 bytes of user memory as they are: argv and envp lie there as NUL-separated strings. */
INLINE list put_user_bytes(void *event, u64 from, u64 to)
{
    u64 at = end_of(event), length = to - from;
    if (at >= MAX_STRINGS || to <= from)
        return 0;
    if (length >= MAX_TEXT)
        length = MAX_TEXT - 1;
    asm volatile("" : "+r"(length));
    length &= MAX_TEXT - 1;
    if (bpf_probe_read_user(room(event, at), length, (void *)from))
        return 0;
    return placed(event, at, length);
}

/* One name more at the end; 0 where it cannot be read or does not fit. */
INLINE int put_name(void *event, u64 address)
{
    u64 at = end_of(event);
    return at < MAX_STRINGS
           && placed(event, at, bpf_probe_read_kernel_str(room(event, at), MAX_NAME, (void *)address));
}

/* The strings put since `start` as one; none at all is the root: one empty name, not a missing path. */
INLINE tree placed_since(void *event, u64 start)
{
    u64 end = end_of(event);
    if (end == start && start < MAX_STRINGS) {
        *room(event, start) = 0;
        end = start + 1;
        ((struct scratch *)event)->end = end;
    }
    return PLACE(start, end - start);
}

/* The path of (vfsmount, dentry), leaf first, up to the root of the mount namespace. */
INLINE tree put_tree(void *event, u64 vfsmount, u64 dentry)
{
    u64 start = end_of(event);
    u64 mount = vfsmount - OFFSET(mount, mnt);
    u64 root = READ(u64, vfsmount, vfsmount, mnt_root);
    for (int depth = 0; depth < MAX_DEPTH && dentry; depth++) {
        if (dentry == root) {
            u64 outer = READ(u64, mount, mount, mnt_parent);
            if (outer == mount)
                return placed_since(event, start);
            dentry = READ(u64, mount, mount, mnt_mountpoint);
            mount = outer;
            root = READ(u64, mount + OFFSET(mount, mnt), vfsmount, mnt_root);
            continue;
        }
        u64 parent = READ(u64, dentry, dentry, d_parent);
        if (!put_name(event, READ(u64, dentry + OFFSET(dentry, d_name), qstr, name)))
            break;
        if (parent == dentry) /* in no tree: memfd, pipe, socket */
            return placed_since(event, start);
        dentry = parent;
    }
    ((struct scratch *)event)->end = start;
    return 0;
}

INLINE tree put_path_tree(void *event, u64 path)
{
    return put_tree(event, READ(u64, path, path, mnt), READ(u64, path, path, dentry));
}

INLINE tree put_file_tree(void *event, u64 file)
{
    return file ? put_path_tree(event, file + OFFSET(file, f_path)) : 0;
}

INLINE tree put_cwd(void *event)
{
    return put_path_tree(event, READ(u64, bpf_get_current_task(), task_struct, fs) + OFFSET(fs_struct, pwd));
}

/* struct file of one of the current task's descriptors, or 0. */
INLINE u64 file_of(s32 fd)
{
    u64 files = READ(u64, bpf_get_current_task(), task_struct, files);
    u64 table = READ(u64, files, files_struct, fdt);
    if (fd < 0 || (u32)fd >= READ(u32, table, fdtable, max_fds))
        return 0;
    return LOAD(u64, READ(u64, table, fdtable, fd) + 8 * (u64)(u32)fd);
}

/* The directory that a relative path starts from; nothing where the path is absolute or unreadable. */
INLINE tree put_base(void *event, s32 dirfd, text path)
{
    if (!path || *room(event, path >> 16) == '/')
        return 0;
    return dirfd == AT_FDCWD ? put_cwd(event) : put_file_tree(event, file_of(dirfd));
}

INLINE u32 user_dev(u32 dev) /* the kernel's new_encode_dev() */
{
    u32 major = dev >> 20, minor = dev & 0xfffff;
    return (minor & 0xff) | (major << 8) | ((minor & ~0xffU) << 12);
}

INLINE void put_file_facts(struct file_facts *facts, u64 file)
{
    u64 inode = READ(u64, file, file, f_inode);
    facts->file_found = inode != 0;
    facts->dev = user_dev(READ(u32, READ(u64, inode, inode, i_sb), super_block, s_dev));
    facts->inode_mode = READ(u16, inode, inode, i_mode);
    facts->ino = READ(u64, inode, inode, i_ino);
    facts->file_mode = READ(u32, file, file, f_mode);
}

INLINE void put_socket_facts(struct socket_facts *facts, u64 file)
{
    __builtin_memset(facts, 0, sizeof(*facts));
    u64 inode = READ(u64, file, file, f_inode);
    if ((READ(u16, inode, inode, i_mode) & S_IFMT) != S_IFSOCK)
        return;
    u64 sock = READ(u64, READ(u64, file, file, private_data), socket, sk);
    facts->family = READ(u16, sock, sock_common, skc_family);
    facts->kind = READ(u16, sock, sock, sk_type);
    facts->protocol = READ(u16, sock, sock, sk_protocol);
    facts->state = READ(u8, sock, sock_common, skc_state);
    if (facts->family == AF_INET) {
        facts->local_low = READ(u32, sock, sock_common, skc_rcv_saddr);
        facts->remote_low = READ(u32, sock, sock_common, skc_daddr);
    } else if (facts->family == AF_INET6) {
        bpf_probe_read_kernel(&facts->local_low, 16, (void *)(sock + OFFSET(sock_common, skc_v6_rcv_saddr)));
        bpf_probe_read_kernel(&facts->remote_low, 16, (void *)(sock + OFFSET(sock_common, skc_v6_daddr)));
    } else {
        return;
    }
    facts->local_port = READ(u16, sock, sock_common, skc_num);
    facts->remote_port = READ(u16, sock, sock_common, skc_dport);
}

/* Hand the event over; a full ring buffer is counted, never waited for. Nobody is woken: the reader looks by
 * itself, see LOOK_SECONDS in sensor/probes/ring.py. */
INLINE int submit(void *event)
{
    u64 size = end_of(event);
    asm volatile("" : "+r"(size));
    if (events.ringbuf_output(event, size & 0x7fff, BPF_RB_NO_WAKEUP)) {
        u32 cpu = bpf_get_smp_processor_id();
        u64 *count = lost.lookup(&cpu);
        if (count)
            lock_xadd(count, 1);
    }
    return 0;
}
