#pragma once

#include <memory>
#include <string>

#include "server/api/blob_exchange.h"

namespace kyanite {

class ConfigurationService;

// Writes every automatic configuration as a line (configuration_item.h) into the blob and finishes it.
void export_configurations(Executor& home, ConfigurationService& configurations,
                           std::shared_ptr<BlobOutput> output, Reply<void> reply);

// Carries out the lines of the blob, one after the other. The answer are lines for the errors' blob, one for
// each line that is none or was refused: {"id":…,"errorCode":…,"errorStatus":…}. Bound: a line of
// kImportLineBytesMax at a time, and kConfigurationErrorsMax errors, after which the rest is left out. No
// further line is carried out once `cancelled` is set, on `home`.
inline constexpr std::size_t kConfigurationErrorsMax = 1000;
void import_configurations(Executor& home, ConfigurationService& configurations,
                           std::shared_ptr<BlobInput> input, std::shared_ptr<const bool> cancelled,
                           Reply<std::string> reply);

}  // namespace kyanite
