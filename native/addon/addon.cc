// What Node sees of the relay thread. Only here are JavaScript values touched, on their own thread.
// The addon knows descriptors and bytes: no protocol, no configuration.
#include <napi.h>

#include <cmath>
#include <cstring>
#include <memory>

#include "relay_thread.h"

#define WARREN_STRING(text) #text
#define WARREN_TEXT(macro) WARREN_STRING(macro)

namespace warren {

namespace {

constexpr size_t kReportNumbers = 4;

Clock::duration Milliseconds(double count) {
  constexpr double kMax = 1e12;
  if (!(count < kMax)) return Clock::duration::max();
  return std::chrono::milliseconds(static_cast<int64_t>(count));
}

// `new RelayThread(wake)`: see ts/dataplane/relay-thread.ts for the contract.
class RelayThreadObject : public Napi::ObjectWrap<RelayThreadObject> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "RelayThread",
                       {
                           InstanceMethod<&RelayThreadObject::Begin>("begin"),
                           InstanceMethod<&RelayThreadObject::Abort>("abort"),
                           InstanceMethod<&RelayThreadObject::Reports>("reports"),
                           InstanceMethod<&RelayThreadObject::KeepAlive>("keepAlive"),
                           InstanceMethod<&RelayThreadObject::Close>("close"),
                       });
  }

  explicit RelayThreadObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsFunction()) {
      Napi::TypeError::New(env, "wake is not a function").ThrowAsJavaScriptException();
      return;
    }
    auto thread = std::make_unique<RelayThread>([this] { wake_.NonBlockingCall(); });
    if (const int error = thread->Open(); error != 0) {
      Napi::Error::New(env, std::strerror(error)).ThrowAsJavaScriptException();
      return;
    }
    wake_ = Napi::ThreadSafeFunction::New(env, info[0].As<Napi::Function>(), "warren-relay", 0, 1);
    // Its error is thrown already, unless the worker is being ended.
    if (static_cast<napi_threadsafe_function>(wake_) == nullptr) return;
    wake_.Unref(env);
    // Behind the function's own hook, so before it.
    napi_add_env_cleanup_hook(env, &RelayThreadObject::OnExit, this);
    thread_ = std::move(thread);
  }

  ~RelayThreadObject() override { CloseThread(); }

 private:
  // begin(near, far, unwritten, halfCloseIdleMs): its id; 0: there is no room for it.
  Napi::Value Begin(const Napi::CallbackInfo& info) {
    const auto unwritten = info[2].As<Napi::Uint8Array>();
    const uint8_t* bytes = unwritten.Data();
    RelayOptions options{.id = next_id_,
                         .unwritten = {bytes, bytes + unwritten.ByteLength()},
                         .half_close_idle = Milliseconds(info[3].As<Napi::Number>())};
    const int near = info[0].As<Napi::Number>();
    const int far = info[1].As<Napi::Number>();
    const bool began = thread_ && thread_->Begin(near, far, std::move(options)) == 0;
    return Napi::Number::New(info.Env(), began ? static_cast<double>(next_id_++) : 0);
  }

  // abort(id): RST both ways; it is reported like any other end.
  void Abort(const Napi::CallbackInfo& info) {
    if (thread_) thread_->Abort(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
  }

  // reports(runningToo): id, ending, bytesIn, bytesOut of each, one behind the other.
  Napi::Value Reports(const Napi::CallbackInfo& info) {
    std::vector<Report> reports;
    if (thread_) reports = thread_->TakeReports(info[0].ToBoolean());
    auto numbers = Napi::Float64Array::New(info.Env(), reports.size() * kReportNumbers);
    // Nothing can be made any more where a worker is being ended.
    if (numbers.IsEmpty()) return numbers;
    double* next = numbers.Data();
    for (const Report& report : reports) {
      *next++ = static_cast<double>(report.id);
      *next++ = static_cast<double>(report.ending);
      *next++ = static_cast<double>(report.bytes_in);
      *next++ = static_cast<double>(report.bytes_out);
    }
    return numbers;
  }

  // keepAlive(on): whether the process is to live on for what runs here.
  void KeepAlive(const Napi::CallbackInfo& info) {
    if (!thread_) return;
    if (info[0].ToBoolean()) {
      wake_.Ref(info.Env());
    } else {
      wake_.Unref(info.Env());
    }
  }

  void Close(const Napi::CallbackInfo&) { CloseThread(); }

  static void OnExit(void* self) { static_cast<RelayThreadObject*>(self)->CloseThread(); }

  void CloseThread() {
    if (!thread_) return;
    napi_remove_env_cleanup_hook(Env(), &RelayThreadObject::OnExit, this);
    thread_.reset();
    wake_.Release();
  }

  // Before the thread, which calls it.
  Napi::ThreadSafeFunction wake_;
  // Null once it is closed.
  std::unique_ptr<RelayThread> thread_;
  uint64_t next_id_ = 1;
};

Napi::Value Version(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), WARREN_TEXT(WARREN_VERSION));
}

// Why it cannot work here, or null.
Napi::Value Probe(const Napi::CallbackInfo& info) {
  RelayThread thread([] {});
  const int error = thread.Open();
  if (error == 0) return info.Env().Null();
  return Napi::String::New(info.Env(), std::string("thread: ") + std::strerror(error));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::Function::New<Version>(env, "version"));
  exports.Set("probe", Napi::Function::New<Probe>(env, "probe"));
  exports.Set("RelayThread", RelayThreadObject::Define(env));
  return exports;
}

NODE_API_MODULE(warren_addon, Init)

}  // namespace

}  // namespace warren
