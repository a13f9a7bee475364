// Waits for links: epoll, edge-triggered, on Linux; poll elsewhere. It sets the links' flags and
// says which relays have something to do.
#pragma once

#include <cstddef>
#include <vector>

#include "tcp_link.h"
#include "unique_fd.h"

namespace warren {

class Reactor {
 public:
#if defined(__linux__) && !defined(WARREN_PORTABLE)
  static constexpr size_t kLinksMax = 1 << 30;
#else
  // poll looks at every one of them each time.
  static constexpr size_t kLinksMax = 1'024;
#endif

  // 0, or an errno.
  int Open();
  // False: the system has no room for it.
  bool Add(TcpLink& link);
  // Before the link's descriptor is closed.
  void Remove(TcpLink& link);
  // Waits for so many milliseconds (-1: for as long as it takes), then appends the links that have
  // changed.
  void Wait(int timeout_ms, std::vector<TcpLink*>& changed);
  // Ends a wait. This alone may be called by any thread.
  void Wake();

 private:
#if defined(__linux__) && !defined(WARREN_PORTABLE)
  UniqueFd epoll_;
  UniqueFd wake_;
#else
  UniqueFd wake_out_;
  UniqueFd wake_in_;
  std::vector<TcpLink*> links_;
#endif
};

}  // namespace warren
