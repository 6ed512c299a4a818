namespace RlHarness.Models.Generation;

/// <summary>Why a sequence ended.</summary>
public enum FinishReason
{
    /// <summary>A stop id was drawn; it is the last token.</summary>
    Stop,

    /// <summary>A stop string appeared.</summary>
    StopString,

    /// <summary>The token limit was reached: the answer is cut.</summary>
    Length,
}

/// <summary>One answer to produce. (Prompt, Sample) name its random stream.</summary>
/// <param name="Ids">The prompt's tokens, at least one.</param>
/// <param name="Prompt">Index of the prompt.</param>
/// <param name="Sample">Index of the sample of this prompt.</param>
public sealed record GenerationRequest(IReadOnlyList<int> Ids, long Prompt, long Sample = 0);

/// <summary>A finished answer.</summary>
/// <param name="Request">What was asked.</param>
/// <param name="Tokens">The drawn ids, the stop id included.</param>
/// <param name="Logprobs">log p of each at the sampling temperature over the full vocabulary.</param>
/// <param name="Finish">Why it ended.</param>
public sealed record GeneratedSequence(GenerationRequest Request, IReadOnlyList<int> Tokens, IReadOnlyList<float> Logprobs, FinishReason Finish);
