using RlHarness.Core.Randomness;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Training.Collectives;

namespace RlHarness.Training.Rollouts;

/// <summary>Lets a policy answer prompts. Usable alone: it knows nothing of rewards or updates.</summary>
/// <param name="ranks">Among whom the requests are dealt out, prompt by prompt; all of them get all answers.</param>
public sealed class RolloutWorker(Decoder policy, Tokenizer tokenizer, SamplingSettings settings, Seeds seeds, Ranks? ranks = null)
{
    private readonly BatchGenerator _generator = new(policy, tokenizer);
    private readonly Ranks _ranks = ranks ?? Ranks.Alone;

    /// <param name="Prompt">Index of the prompt, as asked.</param>
    /// <param name="Sample">Index of the sample.</param>
    /// <param name="PromptIds">What the policy read.</param>
    /// <param name="ResponseIds">What it drew, the stop id included.</param>
    /// <param name="Logprobs">As it drew them, at the sampling temperature.</param>
    /// <param name="Finish">Why it ended.</param>
    /// <param name="Text">The response without the stop id; other special tokens stay visible (a tag may be one).</param>
    public sealed record Rollout(
        long Prompt,
        long Sample,
        IReadOnlyList<int> PromptIds,
        IReadOnlyList<int> ResponseIds,
        IReadOnlyList<float> Logprobs,
        FinishReason Finish,
        string Text
    );

    /// <summary>Who draws the answers in this process's place, of requests and a step, on all ranks; null: nobody.</summary>
    public Func<IReadOnlyList<GenerationRequest>, long, IReadOnlyList<GeneratedSequence>>? Elsewhere { get; init; }

    /// <summary>The policy that answers.</summary>
    public Decoder Policy => policy;

    /// <summary>How it is sampled.</summary>
    public SamplingSettings Settings => settings;

    /// <summary>Answers in the order of the prompts. (step, prompt, sample) name each answer's random stream.</summary>
    /// <param name="answers">Answers of the same call before it was stopped, which takes new ones: see <see cref="BatchGenerator.Generate"/>.</param>
    public IReadOnlyList<Rollout> Run(
        IReadOnlyList<GenerationRequest> requests,
        long step,
        Action<int>? onFinished = null,
        CancellationToken cancellation = default,
        IDictionary<int, GeneratedSequence>? answers = null
    ) =>
        [
            .. (
                Elsewhere is { } elsewhere ? elsewhere(requests, step)
                : _ranks.IsAlone ? _generator.Generate(requests, settings, seeds, step, onFinished, cancellation, answers)
                : SharedGeneration.Generate(_generator, _ranks, requests, settings, seeds, step, onFinished, answers)
            ).Select(g => new Rollout(
                g.Request.Prompt,
                g.Request.Sample,
                g.Request.Ids,
                g.Tokens,
                g.Logprobs,
                g.Finish,
                tokenizer.Decode(g.Finish == FinishReason.Stop ? g.Tokens.Take(g.Tokens.Count - 1) : g.Tokens)
            )),
        ];
}
