#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>

#include "reactor.h"

namespace warren {

namespace {

constexpr int kEventsMax = 256;

}  // namespace

int Reactor::Open() {
  epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.is_open()) return errno;
  wake_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.is_open()) return errno;
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) == 0 ? 0 : errno;
}

bool Reactor::Add(TcpLink& link) {
  epoll_event event{.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                    .data = {.ptr = &link}};
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, link.fd.get(), &event) == 0;
}

// Closing would not do: Node may still hold the socket by another descriptor.
void Reactor::Remove(TcpLink& link) {
  epoll_event none{};
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, link.fd.get(), &none);
}

void Reactor::Wait(int timeout_ms, std::vector<TcpLink*>& changed) {
  epoll_event events[kEventsMax];
  const int count = epoll_wait(epoll_.get(), events, kEventsMax, timeout_ms);
  for (int i = 0; i < count; i++) {
    // Edge-triggered: the wake-up's count need not be read.
    if (events[i].data.ptr == nullptr) continue;
    TcpLink& link = *static_cast<TcpLink*>(events[i].data.ptr);
    const uint32_t what = events[i].events;
    const bool erred = (what & EPOLLERR) != 0;
    const bool ending = erred || (what & (EPOLLRDHUP | EPOLLHUP)) != 0;
    link.erred |= erred;
    link.ending |= ending;
    link.urgent |= (what & EPOLLPRI) != 0;
    link.readable |= ending || (what & EPOLLIN) != 0;
    link.writable |= erred || (what & (EPOLLOUT | EPOLLHUP)) != 0;
    changed.push_back(&link);
  }
}

void Reactor::Wake() { eventfd_write(wake_.get(), 1); }

}  // namespace warren
