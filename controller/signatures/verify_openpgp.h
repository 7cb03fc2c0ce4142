#pragma once
// One OpenPGP signature, judged by gpg. Internal to the folder.

#include "controller/signatures/allowed_signers.h"
#include "controller/signatures/signed_text.h"
#include "controller/signatures/workshop.h"
#include "reconcilers/state.h"

namespace tidegate {

/// As verify_ssh. Nothing but the allowed keys is known where gpg looks.
Result<SignatureFact> verify_openpgp(const SignedText& text, const AllowedSigners& signers,
                                     const Workshop& workshop);

}  // namespace tidegate
