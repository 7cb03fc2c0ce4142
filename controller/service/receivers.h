#pragma once
// `notify` of the configuration file.

#include <vector>

#include "controller/notify/receiver.h"
#include "schemas/fields.h"

namespace tidegate {

std::vector<Receiver> read_receivers(const Value& notify);

}  // namespace tidegate
