/* exec.c -- programs started: execve and execveat, with everything the sensor wants to know of the process.
 *
 * Sees:   successful calls at the sched_process_exec tracepoint, before the new program runs its first
 *         instruction; failed calls at their exit. A short-lived process is gone before anybody could
 *         read /proc, so the event carries argv, the environment, the working directory, the executable,
 *         ids, capabilities, terminal and cgroup itself.
 * Misses: execveat that does not need its descriptor (AT_FDCWD, an absolute path) counts as execve. argv and the environment are cut at 4095 bytes each; a failed call keeps 16 arguments of at
 *         most 255 bytes. A program that only forks is seen by fork.c.
 * Cost:   about a hundred small reads per exec, which is nothing beside the exec itself.
 */

#define MAX_FAILED_ARGUMENTS 16
#define MAX_FAILED_LENGTH 256
#define I_CTIME_QUERIED (1U << 31) /* a flag of the kernel's in the nanoseconds, since 6.13 */
#define OVERLAYFS_MAGIC 0x794c7630

struct executed {
    struct head head;
    struct file_facts file;
    u64 exe_ino_ctime, exe_ino_mtime; /* seconds since the epoch; the nanoseconds follow */
    u32 ctime_nsec, mtime_nsec;
    u32 owner, group;
    u32 overlay; /* 1: on overlayfs; 2: and in its upper, writable layer */
    u32 pgid;    /* in the initial pid namespace */
    u32 sid, vpid, vpgid; /* in the process's own pid namespace */
    u32 tty;
    s32 loginuid;
    u32 dirfd;
    u64 cap_inheritable, cap_permitted, cap_effective;
    text filename;
    list argv;
    list env;
    tree cwd;
    tree exepath;
    tree cgroups;
    tree base_filename;
};

EVENT(execve, executed, head.res, filename)
EVENT(execveat, executed, head.res)

/* The number that a process, group or session has in the pid namespace of `level`. */
INLINE u32 number_of(u64 pid, u32 level)
{
    if (!pid || level > READ(u32, pid, pid, level))
        return 0;
    return LOAD(u32, pid + OFFSET(pid, numbers) + (u64)level * SIZE_upid + OFFSET(upid, nr));
}

INLINE u64 signal_pid(u64 signal, u32 type)
{
    return LOAD(u64, signal + OFFSET(signal_struct, pids) + 8 * type);
}

INLINE u64 controller_node(u64 set, u32 controller)
{
    u64 state = LOAD(u64, set + OFFSET(css_set, subsys) + 8 * controller);
    return READ(u64, READ(u64, state, cgroup_subsys_state, cgroup), cgroup, kn);
}

/* Names of the cgroup and its parents, leaf first. The unified hierarchy's; on a system that keeps
 * processes in version 1 hierarchies that one stays at its root, and the first controller's is taken that
 * does not: the same three that sensor/context/procfs.py asks. */
INLINE tree put_cgroups(void *event, u64 task)
{
    u64 set = READ(u64, task, task_struct, cgroups);
    u64 node = READ(u64, READ(u64, set, css_set, dfl_cgrp), cgroup, kn);
    u64 start = end_of(event);
    if (!READ(u64, node, kernfs_node, parent))
        node = controller_node(set, pids_cgrp_id);
    if (!READ(u64, node, kernfs_node, parent))
        node = controller_node(set, memory_cgrp_id);
    if (!READ(u64, node, kernfs_node, parent))
        node = controller_node(set, cpu_cgrp_id);
    for (int depth = 0; depth < MAX_DEPTH && node; depth++) {
        u64 parent = READ(u64, node, kernfs_node, parent);
        if (!parent)
            return placed_since(event, start);
        if (!put_name(event, READ(u64, node, kernfs_node, name)))
            break;
        node = parent;
    }
    ((struct scratch *)event)->end = start;
    return 0;
}

INLINE void put_identity(struct executed *event, u64 task)
{
    u64 signal = READ(u64, task, task_struct, signal);
    u64 own = READ(u64, READ(u64, task, task_struct, group_leader), task_struct, thread_pid);
    u32 level = READ(u32, own, pid, level);
    u64 group = signal_pid(signal, PIDTYPE_PGID);
    u64 cred = READ(u64, task, task_struct, cred);
    u64 terminal = READ(u64, signal, signal_struct, tty);
    u64 driver = READ(u64, terminal, tty_struct, driver);
    event->pgid = number_of(group, 0);
    event->vpgid = number_of(group, level);
    event->vpid = number_of(own, level);
    event->sid = number_of(signal_pid(signal, PIDTYPE_SID), level);
    event->tty = terminal ? user_dev(READ(u32, driver, tty_driver, major) << 20
                                     | (READ(u32, driver, tty_driver, minor_start)
                                        + READ(u32, terminal, tty_struct, index)))
                          : 0;
    event->loginuid = READ(s32, task, task_struct, loginuid);
    event->cap_inheritable = READ(u64, cred, cred, cap_inheritable);
    event->cap_permitted = READ(u64, cred, cred, cap_permitted);
    event->cap_effective = READ(u64, cred, cred, cap_effective);
}

INLINE void put_executable(struct executed *event, u64 file)
{
    u64 inode = READ(u64, file, file, f_inode);
    put_file_facts(&event->file, file);
    event->exe_ino_ctime = READ(u64, inode, inode, i_ctime_sec);
    event->exe_ino_mtime = READ(u64, inode, inode, i_mtime_sec);
    event->ctime_nsec = READ(u32, inode, inode, i_ctime_nsec) & ~I_CTIME_QUERIED;
    event->mtime_nsec = READ(u32, inode, inode, i_mtime_nsec);
    event->owner = READ(u32, inode, inode, i_uid);
    event->group = READ(u32, inode, inode, i_gid);
    event->overlay = 0;
#ifdef OFFSET_ovl_inode____upperdentry
    if (READ(u64, READ(u64, inode, inode, i_sb), super_block, s_magic) == OVERLAYFS_MAGIC) {
        u64 overlay = inode - OFFSET(ovl_inode, vfs_inode);
        event->overlay = READ(u64, overlay, ovl_inode, __upperdentry) ? 2 : 1;
    }
#endif
}

/* sched_process_exec(task, old_pid, linux_binprm) */
RAW(sched_process_exec)
{
    u64 program = ctx->args[2];
    /* The registers say execve in any case: the kernel pretends so when it sets the personality. */
    u16 type = READ(u64, program, linux_binprm, fdpath) ? TYPE_execveat : TYPE_execve;
    struct executed *event = begin(type, 0, sizeof(*event));
    if (!event)
        return 0;
    u64 task = bpf_get_current_task();
    u64 memory = READ(u64, task, task_struct, mm);
    u64 file = READ(u64, memory, mm_struct, exe_file);
    put_identity(event, task);
    put_executable(event, file);
    event->dirfd = AT_FDCWD;
    event->base_filename = 0;
    event->filename = put_kernel_text(event, READ(u64, program, linux_binprm, filename));
    event->cwd = put_cwd(event);
    event->exepath = put_file_tree(event, file);
    event->cgroups = put_cgroups(event, task);
    event->argv = put_user_bytes(event, READ(u64, memory, mm_struct, arg_start),
                                 READ(u64, memory, mm_struct, arg_end));
    event->env = put_user_bytes(event, READ(u64, memory, mm_struct, env_start),
                                READ(u64, memory, mm_struct, env_end));
    return submit(event);
}

/* A failed call leaves the old program, so its arguments are still where the pointers say. */
INLINE int put_failed(struct executed *event, s32 dirfd, u64 filename, u64 argv)
{
    __builtin_memset((u8 *)event + sizeof(struct head), 0, sizeof(*event) - sizeof(struct head));
    put_identity(event, bpf_get_current_task());
    event->dirfd = dirfd;
    event->filename = put_user_text(event, filename);
    event->base_filename = put_base(event, dirfd, event->filename);
    u64 start = end_of(event);
    for (int index = 0; index < MAX_FAILED_ARGUMENTS; index++) {
        u64 argument = 0, at = end_of(event);
        bpf_probe_read_user(&argument, sizeof(argument), (void *)(argv + 8 * index));
        if (!argument || at >= MAX_STRINGS
            || !placed(event, at, bpf_probe_read_user_str(room(event, at), MAX_FAILED_LENGTH, (void *)argument)))
            break;
    }
    event->argv = PLACE(start, end_of(event) - start);
    return submit(event);
}

SYSCALL(execve)
{
    if (ctx->ret >= 0) /* told by sched_process_exec */
        return 0;
    BEGIN(executed, TYPE_execve);
    return put_failed(event, AT_FDCWD, given.a0, given.a1);
}

SYSCALL(execveat)
{
    if (ctx->ret >= 0)
        return 0;
    BEGIN(executed, TYPE_execveat);
    return put_failed(event, given.a0, given.a1, given.a2);
}
