// metav1.Status objects: the answers of an API server that are errors. Texts are those of k8s.io/apimachinery
// api/errors.
#pragma once
#include "lab/registry.h"
#include "lab/schema.h"

namespace fairlead::lab {

Json Failure(int code, const std::string& reason, const std::string& message, const Json& details = nullptr);
Json NotFound(const ResourceType& t, const std::string& name);
Json AlreadyExists(const ResourceType& t, const std::string& name);
Json Conflict(const ResourceType& t, const std::string& name, const std::string& why = "");
Json Invalid(const ResourceType& t, const std::string& name, const std::vector<FieldError>& errors);
Json BadRequest(const std::string& message);
Json Forbidden(const ResourceType& t, const std::string& name, const std::string& why);
Json Success();

}  // namespace fairlead::lab
