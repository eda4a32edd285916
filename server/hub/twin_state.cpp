#include "server/hub/twin_state.h"

#include <utility>

namespace kyanite {

TwinState::TwinState(DeviceHost& host, std::string module) : host_(host), module_(std::move(module)) {}
TwinState::~TwinState() = default;

void TwinState::get(GetTwin message) { message.reply(Error(Errc::not_implemented)); }
void TwinState::patch(PatchReported message) { message.reply(Error(Errc::not_implemented)); }
void TwinState::update(UpdateTwin message) { message.reply(Error(Errc::not_implemented)); }
void TwinState::announce_model(std::string) {}
void TwinState::on_erased() { erased_ = true; }
bool TwinState::is_quiet() const { return !in_flight_ && waiting_.empty(); }

}  // namespace kyanite
