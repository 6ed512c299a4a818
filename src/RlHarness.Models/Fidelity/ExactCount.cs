namespace RlHarness.Models.Fidelity;

/// <summary>Golden cases that have to be equal exactly.</summary>
/// <param name="Group">The golden folder: <c>tokenizers</c>, <c>chat_templates</c>, <c>gguf/blocks</c>.</param>
/// <param name="Case">Name of the tokenizer, template or block type.</param>
/// <param name="Equal">How many comparisons are equal.</param>
/// <param name="Total">Of how many.</param>
public sealed record ExactCount(string Group, string Case, int Equal, int Total);
