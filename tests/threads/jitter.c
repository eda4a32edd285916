// Preloaded into a program, lets its threads pause at random where they hand something over: at a mutex, at a socket, at
// a sync of a file. What is right only for the usual order of things shows then. By tests/threads/jitter.sh.
//   JITTER_PPM    how often a mutex pauses, in a million (200); sockets pause 20 times, other calls 50 and
//                 syncs 100 times as often
//   JITTER_US     the longest pause, in microseconds (20000)
//   JITTER_SEED   another course of things (1)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MUTEX = 1, SOCKET = 20, CALL = 50, SYNC = 100 };

static uint64_t setting(const char* name, uint64_t otherwise) {
  const char* text = getenv(name);
  return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void pause_perhaps(uint64_t weight) {
  static _Thread_local uint64_t state;
  static uint64_t ppm, longest;
  if (state == 0) {
    ppm = setting("JITTER_PPM", 200);
    longest = setting("JITTER_US", 20000);
    state = 0x9E3779B97F4A7C15u * (setting("JITTER_SEED", 1) * 1000003u + (uint64_t)syscall(SYS_gettid)) | 1u;
  }
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  if (state % 1000000u >= ppm * weight || longest == 0) return;
  const uint64_t micros = (state >> 20) % longest;
  const struct timespec time = {(time_t)(micros / 1000000u), (long)(micros % 1000000u * 1000u)};
  const int error = errno;
  syscall(SYS_nanosleep, &time, NULL);
  errno = error;
}

// The function of that name of whoever comes next, most often the C library.
#define NEXT(type, name) \
  static type next;      \
  if (next == NULL) next = (type)dlsym(RTLD_NEXT, name)

typedef int (*MutexCall)(pthread_mutex_t*);
int pthread_mutex_lock(pthread_mutex_t* mutex) {
  NEXT(MutexCall, "pthread_mutex_lock");
  pause_perhaps(MUTEX);
  return next(mutex);
}
int pthread_mutex_unlock(pthread_mutex_t* mutex) {
  NEXT(MutexCall, "pthread_mutex_unlock");
  const int result = next(mutex);
  pause_perhaps(MUTEX);
  return result;
}

typedef ssize_t (*SendCall)(int, const void*, size_t, int);
ssize_t send(int socket, const void* bytes, size_t size, int flags) {
  NEXT(SendCall, "send");
  pause_perhaps(SOCKET);
  return next(socket, bytes, size, flags);
}
typedef ssize_t (*SendMessageCall)(int, const struct msghdr*, int);
ssize_t sendmsg(int socket, const struct msghdr* message, int flags) {
  NEXT(SendMessageCall, "sendmsg");
  pause_perhaps(SOCKET);
  return next(socket, message, flags);
}
typedef ssize_t (*ReceiveCall)(int, void*, size_t, int);
ssize_t recv(int socket, void* bytes, size_t size, int flags) {
  NEXT(ReceiveCall, "recv");
  pause_perhaps(SOCKET);
  return next(socket, bytes, size, flags);
}
typedef ssize_t (*ReceiveMessageCall)(int, struct msghdr*, int);
ssize_t recvmsg(int socket, struct msghdr* message, int flags) {
  NEXT(ReceiveMessageCall, "recvmsg");
  pause_perhaps(SOCKET);
  return next(socket, message, flags);
}
typedef int (*AcceptCall)(int, struct sockaddr*, socklen_t*, int);
int accept4(int socket, struct sockaddr* address, socklen_t* size, int flags) {
  NEXT(AcceptCall, "accept4");
  pause_perhaps(CALL);
  return next(socket, address, size, flags);
}
typedef int (*ConnectCall)(int, const struct sockaddr*, socklen_t);
int connect(int socket, const struct sockaddr* address, socklen_t size) {
  NEXT(ConnectCall, "connect");
  pause_perhaps(CALL);
  return next(socket, address, size);
}
typedef int (*WaitCall)(int, struct epoll_event*, int, int);
int epoll_wait(int queue, struct epoll_event* events, int most, int timeout) {
  NEXT(WaitCall, "epoll_wait");
  const int result = next(queue, events, most, timeout);
  pause_perhaps(SOCKET);
  return result;
}

typedef int (*SyncCall)(int);
int fdatasync(int file) {
  NEXT(SyncCall, "fdatasync");
  pause_perhaps(SYNC);
  const int result = next(file);
  pause_perhaps(CALL);
  return result;
}
int fsync(int file) {
  NEXT(SyncCall, "fsync");
  pause_perhaps(SYNC);
  return next(file);
}
