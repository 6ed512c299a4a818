namespace RlHarness.Models.Generation;

/// <summary>How the next token is drawn. The order is that of transformers: repetition penalty, temperature, top-k, top-p, min-p.</summary>
public sealed record SamplingSettings
{
    /// <summary>0 takes the likeliest token. Range 0 to 100.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>0: all tokens.</summary>
    public int TopK { get; init; }

    /// <summary>In (0, 1]; 1: all tokens.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>In [0, 1); tokens less likely than this share of the likeliest are left out.</summary>
    public double MinP { get; init; }

    /// <summary>1: none (Keskar et al. 2019).</summary>
    public double RepetitionPenalty { get; init; } = 1;

    public int MaxNewTokens { get; init; } = 128;

    /// <summary>Stop ids can't be drawn before so many tokens.</summary>
    public int MinNewTokens { get; init; }

    public IReadOnlyList<int> StopIds { get; init; } = [];

    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Sequences that decode together.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>True when tokens are left out, so that log-probabilities of the full distribution are not those that were drawn from.</summary>
    public bool Truncates => TopK > 0 || TopP < 1 || MinP > 0;
}

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
public sealed record GenerationRequest(IReadOnlyList<int> Ids, long Prompt, long Sample = 0)
{
    /// <summary>A cap on this answer's tokens, below that of the settings; null: theirs.</summary>
    public int? MaxNewTokens { get; init; }
}

/// <summary>A finished answer.</summary>
/// <param name="Request">What was asked.</param>
/// <param name="Tokens">The drawn ids, the stop id included.</param>
/// <param name="Logprobs">log p of each at the sampling temperature over the full vocabulary.</param>
/// <param name="Finish">Why it ended.</param>
public sealed record GeneratedSequence(GenerationRequest Request, IReadOnlyList<int> Tokens, IReadOnlyList<float> Logprobs, FinishReason Finish);
