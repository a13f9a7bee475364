#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "reactor.h"

namespace warren {

int Reactor::Open() {
  int ends[2];
  if (pipe(ends) != 0) return errno;
  wake_out_ = UniqueFd(ends[0]);
  wake_in_ = UniqueFd(ends[1]);
  for (const int end : ends) {
    if (fcntl(end, F_SETFD, FD_CLOEXEC) < 0 || fcntl(end, F_SETFL, O_NONBLOCK) < 0) return errno;
  }
  return 0;
}

bool Reactor::Add(TcpLink& link) {
  links_.push_back(&link);
  return true;
}

void Reactor::Remove(TcpLink& link) { std::erase(links_, &link); }

// Only what a link is not known to be ready for is waited for: that makes edges of levels.
void Reactor::Wait(int timeout_ms, std::vector<TcpLink*>& changed) {
  std::vector<pollfd> watched{{.fd = wake_out_.get(), .events = POLLIN, .revents = 0}};
  watched.reserve(links_.size() + 1);
  for (const TcpLink* link : links_) {
    const int wanted = (link->readable ? 0 : POLLIN) | (link->writable ? 0 : POLLOUT);
    // One that has hung up is left out, or it would end every wait.
    const bool is_over = wanted == 0 && link->ending;
    watched.push_back({is_over ? -1 : link->fd.get(), static_cast<short>(wanted), 0});
  }
  if (poll(watched.data(), static_cast<nfds_t>(watched.size()), timeout_ms) <= 0) return;
  char bytes[64];
  while (watched[0].revents != 0 && read(wake_out_.get(), bytes, sizeof bytes) > 0) {
  }
  for (size_t i = 0; i < links_.size(); i++) {
    const short what = watched[i + 1].revents;
    if (what == 0) continue;
    TcpLink& link = *links_[i];
    const bool erred = (what & (POLLERR | POLLNVAL)) != 0;
    const bool ending = erred || (what & POLLHUP) != 0;
    link.erred |= erred;
    link.ending |= ending;
    link.readable |= ending || (what & POLLIN) != 0;
    link.writable |= ending || (what & POLLOUT) != 0;
    changed.push_back(&link);
  }
}

void Reactor::Wake() {
  // A full pipe wakes as well.
  [[maybe_unused]] const ssize_t put = write(wake_in_.get(), "", 1);
}

}  // namespace warren
