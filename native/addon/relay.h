// Moves bytes both ways between two links until both directions have ended, or one link breaks.
//
// `near` is the visitor's side, `far` the local service's. FIN is passed on as FIN, RST as RST. The
// same rules as native/core/src/relay.rs; see ts/engine/engine.ts for the contract.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "direction.h"
#include "tcp_link.h"
#include "unique_fd.h"

namespace warren {

// Why a relay ended. The numbers are known to ts/dataplane/relay-thread.ts.
enum class Ending : uint8_t {
  kRunning = 0,
  kNearEndedFirst = 1,
  kFarEndedFirst = 2,
  kNearBroke = 3,
  kFarBroke = 4,
  kHalfCloseTimeout = 5,
  kAborted = 6,
  // The system has no room for it.
  kFault = 7,
};

struct RelayOptions {
  uint64_t id;
  // Goes to `far` ahead of everything else.
  std::vector<uint8_t> unwritten;
  // Of a half-closed relay; max(): never.
  Clock::duration half_close_idle;
};

class Relay {
 public:
  Relay(UniqueFd near, UniqueFd far, RelayOptions options);

  // Moves what can be moved now; the way it ended, once it has. `more()` tells whether to come
  // again without waiting.
  std::optional<Ending> Run(Workspace& workspace);
  // What only time brings; called every tick while `is_timed`.
  std::optional<Ending> Tick(Workspace& workspace);
  // Whatever is on its way is lost, and both peers see RST.
  void Abort();
  void GiveBack(Workspace& workspace);

  bool more() const { return more_; }
  bool is_timed() const;

  TcpLink near;
  TcpLink far;
  const uint64_t id;
  // Both may be asked by any thread.
  uint64_t bytes_in() const { return in_.bytes(); }
  uint64_t bytes_out() const { return out_.bytes(); }

 private:
  Ending OnBroken(bool near_broke);
  void NoteHalfClose(Workspace& workspace);

  Direction in_;
  Direction out_;
  const Clock::duration half_close_idle_;
  // When bytes last moved, or half was closed: since then the other direction is silent.
  Clock::time_point moved_at_{};
  // Whose FIN came first, once one did.
  Ending half_closed_ = Ending::kRunning;
  bool more_ = false;
};

}  // namespace warren
