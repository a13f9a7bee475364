#include "tcp_link.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#if defined(__linux__)
#include <linux/sockios.h>
#endif

namespace warren {

namespace {

#if defined(MSG_NOSIGNAL)
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;  // Node ignores SIGPIPE.
#endif

}  // namespace

ssize_t TcpLink::Read(uint8_t* to, size_t length) {
  const ssize_t got = Attempt(readable, [&] { return recv(fd.get(), to, length, 0); });
  // A short read has emptied the socket (epoll(7), question 9), but for FIN.
  if (got > 0 && static_cast<size_t>(got) < length && !ending && !urgent) readable = false;
  return got;
}

ssize_t TcpLink::Peek() {
  uint8_t byte;
  return Attempt(readable, [&] { return recv(fd.get(), &byte, 1, MSG_PEEK); });
}

ssize_t TcpLink::Write(const uint8_t* from, size_t length) {
  const ssize_t put = Attempt(writable, [&] { return send(fd.get(), from, length, kSendFlags); });
  if (put >= 0 && static_cast<size_t>(put) < length) writable = false;
  return put;
}

void TcpLink::Finish() { shutdown(fd.get(), SHUT_WR); }

void TcpLink::ResetOnClose() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

bool TcpLink::TakeError() {
  if (!erred) return false;
  erred = false;
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0;
}

bool TcpLink::IsDelivered() const {
#if defined(SIOCOUTQ)
  int unsent = 0;
  // FIN counts as one, and is acknowledged with a delay.
  return ioctl(fd.get(), SIOCOUTQ, &unsent) == 0 && unsent <= 1;
#else
  return false;
#endif
}

}  // namespace warren
