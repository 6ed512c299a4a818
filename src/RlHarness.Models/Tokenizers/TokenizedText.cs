namespace RlHarness.Models.Tokenizers;

/// <summary>Token ids, and for each the stretch of the text that it stands for (empty for tokens that the post-processor adds).</summary>
public sealed record TokenizedText(int[] Ids, CharSpan[] Spans);
