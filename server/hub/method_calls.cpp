#include "server/hub/method_calls.h"

namespace kyanite {

MethodCalls::MethodCalls(DeviceHost& host) : host_(host) {}
MethodCalls::~MethodCalls() = default;

void MethodCalls::invoke(InvokeMethod message) {
  message.reply(Error(Errc::not_implemented, "device " + host_.device()));
}
void MethodCalls::answer(AnswerMethod) {}
void MethodCalls::on_listening(const std::string&) {}
void MethodCalls::on_link_ended(const std::string&) {}
void MethodCalls::on_erased(const std::string&) {}
void MethodCalls::on_disabled() {}
bool MethodCalls::is_quiet() const { return true; }

}  // namespace kyanite
