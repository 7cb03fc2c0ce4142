#pragma once
// One SSH signature, judged by ssh-keygen. Internal to the folder.

#include "controller/signatures/allowed_signers.h"
#include "controller/signatures/signed_text.h"
#include "controller/signatures/workshop.h"
#include "reconcilers/state.h"

namespace tidegate {

/// `problem` goes on from the name of what is signed: "is signed with …". An error: it could not be
/// told.
Result<SignatureFact> verify_ssh(const SignedText& text, const AllowedSigners& signers,
                                 const Workshop& workshop);

}  // namespace tidegate
