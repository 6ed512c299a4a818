using RlHarness.Models.Tokenizers;

namespace RlHarness.Models.ChatTemplates;

/// <summary>A conversation as token ids.</summary>
/// <param name="Text">The rendered text.</param>
/// <param name="Ids">Its token ids.</param>
/// <param name="AssistantMask">For each id whether the assistant wrote it, the token that ends its turn included.</param>
/// <param name="AssistantSpans">Where the assistant's text stands in <paramref name="Text"/>, in order.</param>
public sealed record EncodedChat(string Text, int[] Ids, bool[] AssistantMask, IReadOnlyList<CharSpan> AssistantSpans);
