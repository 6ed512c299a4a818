using RlHarness.Models.Tokenizers;

namespace RlHarness.Models.ChatTemplates;

/// <summary>A rendered conversation.</summary>
/// <param name="Text">The whole text.</param>
/// <param name="AssistantSpans">
/// Where the template's <c>{% generation %}</c> blocks stand in the text (UTF-16 units), in order; null where the template has none, or has one
/// inside a macro, where its
/// place in the text cannot be told.
/// </param>
public sealed record RenderedChat(string Text, IReadOnlyList<CharSpan>? AssistantSpans);
