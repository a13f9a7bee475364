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
  const Turn in = in_.Run(near, far, workspace, out_.has_ended());
  // At once: who learns of RST takes it away, and a read after that finds a mere end.
  if (in == Turn::kFromBroken) return OnBroken(true);
  if (in == Turn::kToBroken) return OnBroken(false);
  const Turn out = out_.Run(far, near, workspace, in_.has_ended());
  if (out == Turn::kFromBroken) return OnBroken(false);
  if (out == Turn::kToBroken) return OnBroken(true);
  // Both, or the second would stay for the next time.
  const bool in_moved = in_.TakeMoved();
  const bool out_moved = out_.TakeMoved();
  if (in_moved || out_moved) moved_at_ = workspace.now;
  NoteHalfClose(workspace);
  if (in == Turn::kEnded && out == Turn::kEnded) return half_closed_;
  // A link that broke while nothing could be read from it or written to it.
  if (near.TakeError()) return OnBroken(true);
  if (far.TakeError()) return OnBroken(false);
  more_ = in == Turn::kMore || out == Turn::kMore;
  return std::nullopt;
}

std::optional<Ending> Relay::Tick(Workspace& workspace) {
  in_.GiveBackIfDry(workspace);
  out_.GiveBackIfDry(workspace);
  if (half_closed_ == Ending::kRunning || workspace.now - moved_at_ < half_close_idle_) {
    return std::nullopt;
  }
  Abort();
  return Ending::kHalfCloseTimeout;
}

bool Relay::is_timed() const {
  return half_closed_ != Ending::kRunning || in_.is_splicing() || out_.is_splicing();
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

Ending Relay::OnBroken(bool near_broke) {
  const Direction& from = near_broke ? in_ : out_;
  const TcpLink& to = near_broke ? far : near;
  // What came ahead of its FIN and is with the system arrives; where all of it has, RST behind FIN
  // is RST there as well. What is lost shows as RST.
  if (!from.has_ended() || to.IsDelivered()) Abort();
  return near_broke ? Ending::kNearBroke : Ending::kFarBroke;
}

}  // namespace warren
