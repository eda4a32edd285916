#pragma once

#include <cstdint>
#include <string_view>

namespace kyanite::amqp {

// The code of a descriptor that came as one of the standard's names, as "amqp:open:list"; 0 for other text.
std::uint64_t code_of_descriptor(std::string_view name);

}  // namespace kyanite::amqp
