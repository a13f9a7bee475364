// One end of a byte path: a connected, non-blocking TCP socket, and what is known of its readiness.
// It is read and written until the system has no more; the reactor says when it has again.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "unique_fd.h"

namespace warren {

class Relay;

// What reads and writes return besides a number of bytes; a read of 0 is FIN.
inline constexpr ssize_t kBlocked = -1;
inline constexpr ssize_t kBroken = -2;

// Makes a system call that moves bytes, while the link is known to be ready for it.
template <typename Call>
ssize_t Attempt(bool& ready, Call call) {
  if (!ready) return kBlocked;
  ssize_t moved;
  do {
    moved = call();
  } while (moved < 0 && errno == EINTR);
  if (moved >= 0) return moved;
  if (errno != EAGAIN && errno != EWOULDBLOCK) return kBroken;
  ready = false;
  return kBlocked;
}

struct TcpLink {
  TcpLink(Relay& owner, UniqueFd descriptor) : relay(owner), fd(std::move(descriptor)) {}

  ssize_t Read(uint8_t* to, size_t length);
  // A read of one byte that leaves it there.
  ssize_t Peek();
  ssize_t Write(const uint8_t* from, size_t length);
  // FIN, behind everything written. One that is broken says so when it is read.
  void Finish();
  // From now on closing is RST.
  void ResetOnClose();
  // Takes the error that broke it, if one did; asks the system only where the reactor saw one.
  bool TakeError();
  // The peer has acknowledged everything; false where that cannot be known.
  bool IsDelivered() const;

  Relay& relay;
  const UniqueFd fd;
  bool readable = true;
  bool writable = true;
  // The peer's FIN has come, or an error: a read may find more behind what it got.
  bool ending = false;
  bool erred = false;
  // Urgent data has come at some time: a read stops in front of it, though more is there.
  bool urgent = false;
};

}  // namespace warren
