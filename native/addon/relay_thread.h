// A thread that runs relays. The JavaScript thread hands it relays and asks how they are; it tells
// of those that have ended by one wake-up for as many as there are.
#pragma once

#include <pthread.h>

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "direction.h"
#include "reactor.h"
#include "relay.h"

namespace warren {

struct Report {
  uint64_t id;
  Ending ending;
  uint64_t bytes_in;
  uint64_t bytes_out;
};

class RelayThread {
 public:
  // `wake` is called on the thread when there are reports and none were waiting before.
  explicit RelayThread(std::function<void()> wake) : wake_(std::move(wake)) {}
  // Ends the thread; what still runs is closed.
  ~RelayThread();

  // All of these on one other thread. 0, or an errno.
  int Open();
  // Takes duplicates of the descriptors. 0: it has them; else an errno, and nothing has happened.
  int Begin(int near, int far, RelayOptions options);
  void Abort(uint64_t id);
  // Those that have ended since, and where asked those that run.
  std::vector<Report> TakeReports(bool running_too);

 private:
  using Relays = std::unordered_map<uint64_t, std::unique_ptr<Relay>>;

  static void* Main(void* self);
  void Loop();
  bool TakeOrders();
  void RunQueued();
  void Tick();
  void Settle(Relay& relay, std::optional<Ending> ending);

  const std::function<void()> wake_;
  Reactor reactor_;
  pthread_t thread_{};
  bool is_open_ = false;

  std::mutex mutex_;
  // Below: only with the mutex held.
  std::vector<std::unique_ptr<Relay>> beginning_;
  std::vector<uint64_t> aborting_;
  std::vector<Report> reports_;
  bool stopping_ = false;
  bool is_ordered_ = false;
  // Changed by the thread only, which may read it without the mutex.
  Relays relays_;

  // Below: the thread's own.
  Workspace workspace_;
  std::vector<TcpLink*> changed_;
  // Those that have something to do, and those that are looked at every tick.
  std::unordered_set<Relay*> queued_;
  std::unordered_set<Relay*> ticking_;
  Clock::time_point tick_at_{};
};

}  // namespace warren
