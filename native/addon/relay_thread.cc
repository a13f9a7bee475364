#include "relay_thread.h"

#include <fcntl.h>
#include <signal.h>

#include <cerrno>

namespace warren {

namespace {

// How exactly half-closed relays and dry pipes are timed.
constexpr int kTickMs = 100;

UniqueFd Duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

void NameThread() {
#if defined(__linux__)
  pthread_setname_np(pthread_self(), "warren-relay");
#endif
}

}  // namespace

int RelayThread::Open() {
  if (const int error = reactor_.Open(); error != 0) return error;
  // Signals are the JavaScript thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread_, nullptr, &RelayThread::Main, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  is_open_ = error == 0;
  return error;
}

RelayThread::~RelayThread() {
  if (!is_open_) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  reactor_.Wake();
  pthread_join(thread_, nullptr);
}

int RelayThread::Begin(int near, int far, RelayOptions options) {
  {
    const std::lock_guard lock(mutex_);
    const size_t relays = relays_.size() + beginning_.size();
    if (relays >= Reactor::kLinksMax / 2) return ENOBUFS;
  }
  UniqueFd near_fd = Duplicate(near);
  if (!near_fd.is_open()) return errno;
  UniqueFd far_fd = Duplicate(far);
  if (!far_fd.is_open()) return errno;
  auto relay = std::make_unique<Relay>(std::move(near_fd), std::move(far_fd), std::move(options));
  const std::lock_guard lock(mutex_);
  beginning_.push_back(std::move(relay));
  if (!std::exchange(is_ordered_, true)) reactor_.Wake();
  return 0;
}

void RelayThread::Abort(uint64_t id) {
  const std::lock_guard lock(mutex_);
  aborting_.push_back(id);
  if (!std::exchange(is_ordered_, true)) reactor_.Wake();
}

std::vector<Report> RelayThread::TakeReports(bool running_too) {
  const std::lock_guard lock(mutex_);
  std::vector<Report> reports;
  reports.swap(reports_);
  if (running_too) {
    for (const auto& [id, relay] : relays_) {
      reports.push_back({id, Ending::kRunning, relay->bytes_in(), relay->bytes_out()});
    }
  }
  return reports;
}

void* RelayThread::Main(void* self) {
  NameThread();
  static_cast<RelayThread*>(self)->Loop();
  return nullptr;
}

void RelayThread::Loop() {
  for (;;) {
    const int timeout_ms = !queued_.empty() ? 0 : !ticking_.empty() ? kTickMs : -1;
    changed_.clear();
    reactor_.Wait(timeout_ms, changed_);
    workspace_.now = Clock::now();
    for (TcpLink* link : changed_) queued_.insert(&link->relay);
    if (!TakeOrders()) return;
    RunQueued();
    Tick();
    if (relays_.empty()) workspace_.pipes.Clear();
  }
}

// False: the thread is to end.
bool RelayThread::TakeOrders() {
  std::vector<Relay*> beginning;
  std::vector<uint64_t> aborting;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    is_ordered_ = false;
    for (auto& relay : beginning_) {
      beginning.push_back(relay.get());
      relays_.emplace(relay->id, std::move(relay));
    }
    beginning_.clear();
    aborting.swap(aborting_);
  }
  for (Relay* relay : beginning) {
    if (reactor_.Add(relay->near) && reactor_.Add(relay->far)) {
      queued_.insert(relay);
    } else {
      relay->Abort();
      Settle(*relay, Ending::kFault);
    }
  }
  for (const uint64_t id : aborting) {
    // It may have ended meanwhile.
    const auto found = relays_.find(id);
    if (found == relays_.end()) continue;
    found->second->Abort();
    Settle(*found->second, Ending::kAborted);
  }
  return true;
}

void RelayThread::RunQueued() {
  std::unordered_set<Relay*> queued;
  queued.swap(queued_);
  for (Relay* relay : queued) Settle(*relay, relay->Run(workspace_));
}

void RelayThread::Tick() {
  if (ticking_.empty() || workspace_.now < tick_at_) return;
  for (auto next = ticking_.begin(); next != ticking_.end();) {
    // It may be taken out.
    Relay& relay = **next++;
    Settle(relay, relay.Tick(workspace_));
  }
  tick_at_ = workspace_.now + std::chrono::milliseconds(kTickMs);
}

// Sees to what comes next for a relay, which is gone if it has ended.
void RelayThread::Settle(Relay& relay, std::optional<Ending> ending) {
  if (!ending) {
    if (relay.more()) queued_.insert(&relay);
    if (relay.is_timed()) {
      ticking_.insert(&relay);
    } else {
      ticking_.erase(&relay);
    }
    return;
  }
  queued_.erase(&relay);
  ticking_.erase(&relay);
  reactor_.Remove(relay.near);
  reactor_.Remove(relay.far);
  relay.GiveBack(workspace_);
  const Report report{relay.id, *ending, relay.bytes_in(), relay.bytes_out()};
  bool is_first;
  {
    const std::lock_guard lock(mutex_);
    relays_.erase(relay.id);
    is_first = reports_.empty();
    reports_.push_back(report);
  }
  if (is_first) wake_();
}

}  // namespace warren
