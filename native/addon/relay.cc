#include "relay.h"

namespace warren {

Relay::Relay(UniqueFd near_fd, UniqueFd far_fd, RelayOptions options)
    : near(*this, std::move(near_fd)),
      far(*this, std::move(far_fd)),
      id(options.id),
      in_(std::move(options.unwritten)),
      out_({}),
      half_close_idle_(options.half_close_idle) {}

std::optional<Ending> Relay::Run(Workspace& workspace) {
  more_ = false;
  if (delivering_ != Ending::kRunning) return Deliver(workspace);
  const Turn in = in_.Run(near, far, workspace, out_.has_ended());
  // At once: who learns of RST takes it away, and a read after that finds a mere end.
  if (in == Turn::kFromBroken) return OnBroken(true, workspace);
  if (in == Turn::kToBroken) return OnBroken(false, workspace);
  const Turn out = out_.Run(far, near, workspace, in_.has_ended());
  if (out == Turn::kFromBroken) return OnBroken(false, workspace);
  if (out == Turn::kToBroken) return OnBroken(true, workspace);
  // Both, or the second would stay for the next time.
  const bool in_moved = in_.TakeMoved();
  const bool out_moved = out_.TakeMoved();
  if (in_moved || out_moved) moved_at_ = workspace.now;
  NoteHalfClose(workspace);
  if (in == Turn::kEnded && out == Turn::kEnded) return half_closed_;
  // A link that broke while nothing could be read from it or written to it.
  if (near.TakeError()) return OnBroken(true, workspace);
  if (far.TakeError()) return OnBroken(false, workspace);
  more_ = in == Turn::kMore || out == Turn::kMore;
  return std::nullopt;
}

std::optional<Ending> Relay::Tick(Workspace& workspace) {
  if (delivering_ == Ending::kRunning) {
    in_.KeepsPipe(workspace);
    out_.KeepsPipe(workspace);
    if (half_closed_ == Ending::kRunning) return std::nullopt;
  }
  if (workspace.now - moved_at_ < half_close_idle_) return std::nullopt;
  Abort();
  return delivering_ == Ending::kRunning ? Ending::kHalfCloseTimeout : delivering_;
}

bool Relay::is_timed() const {
  return half_closed_ != Ending::kRunning || delivering_ != Ending::kRunning || in_.is_splicing() ||
         out_.is_splicing();
}

void Relay::Abort() {
  near.ResetOnClose();
  far.ResetOnClose();
}

void Relay::GiveBack(Workspace& workspace) {
  in_.GiveBack(workspace);
  out_.GiveBack(workspace);
}

void Relay::NoteHalfClose(Workspace& workspace) {
  if (half_closed_ != Ending::kRunning) return;
  if (!in_.source_ended() && !out_.source_ended()) return;
  half_closed_ = in_.source_ended() ? Ending::kNearEndedFirst : Ending::kFarEndedFirst;
  moved_at_ = workspace.now;
}

std::optional<Ending> Relay::OnBroken(bool near_broke, Workspace& workspace) {
  const Ending ending = near_broke ? Ending::kNearBroke : Ending::kFarBroke;
  // Its own bytes had all arrived: deliver them before the end. Else what is lost shows as RST.
  if (!(near_broke ? in_ : out_).source_ended()) {
    Abort();
    return ending;
  }
  delivering_ = ending;
  moved_at_ = workspace.now;
  return Deliver(workspace);
}

// Writes out what the broken link had sent before its FIN.
std::optional<Ending> Relay::Deliver(Workspace& workspace) {
  const bool near_broke = delivering_ == Ending::kNearBroke;
  Direction& direction = near_broke ? in_ : out_;
  TcpLink& from = near_broke ? near : far;
  TcpLink& to = near_broke ? far : near;
  const Turn turn = direction.Run(from, to, workspace, false);
  const bool ended = turn == Turn::kEnded;
  if (!ended && turn != Turn::kFromBroken && turn != Turn::kToBroken && !to.TakeError()) {
    more_ = turn == Turn::kMore;
    return std::nullopt;
  }
  // Where all of it has arrived, RST behind FIN is RST there as well; else it would cost the other
  // side what it has not got yet.
  if (!ended || to.IsDelivered()) Abort();
  return delivering_;
}

}  // namespace warren
