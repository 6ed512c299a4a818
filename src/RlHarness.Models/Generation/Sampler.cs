using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using static TorchSharp.torch;

// Symbols: B rows, V vocabulary.
namespace RlHarness.Models.Generation;

/// <summary>What a sampler may draw from, and the draw. Rows are independent: a row's result does not depend on the batch.</summary>
internal static class Sampler
{
    /// <summary>Log-probabilities [B, V] after penalty, temperature and truncation; left-out tokens have −∞.</summary>
    /// <param name="logits">fp32 or fp64 [B, V].</param>
    /// <param name="previous">Tokens so far by row, for the repetition penalty; null without one.</param>
    /// <param name="settings">Temperature must be above 0.</param>
    public static Tensor LogProbabilities(Tensor logits, SamplingSettings settings, Tensor? previous = null)
    {
        using var scope = NewDisposeScope();
        var z = logits;
        if (settings.RepetitionPenalty != 1 && previous is not null)
        {
            var seen = z.gather(1, previous);
            z = z.scatter(1, previous, where(seen < 0, seen * settings.RepetitionPenalty, seen / settings.RepetitionPenalty));
        }

        if (settings.Temperature != 1)
            z = z / settings.Temperature;
        if (settings.TopK > 0)
        {
            var (top, _) = z.topk((int)Math.Min(settings.TopK, z.shape[1]), 1);
            z = z.masked_fill(z < top.narrow(1, top.shape[1] - 1, 1), double.NegativeInfinity);
        }

        if (settings.TopP < 1)
        {
            var (sorted, order) = z.sort(1, descending: false);
            var removed = nn.functional.softmax(sorted, -1).cumsum(-1) <= 1 - settings.TopP;
            removed.narrow(1, removed.shape[1] - 1, 1).fill_(false);
            z = z.masked_fill(zeros_like(removed).scatter(1, order, removed), double.NegativeInfinity);
        }

        if (settings.MinP > 0)
        {
            var p = nn.functional.softmax(z, -1);
            z = z.masked_fill(p < settings.MinP * p.amax([1L], keepdim: true), double.NegativeInfinity);
        }

        return nn.functional.log_softmax(z, -1).MoveToOuterDisposeScope();
    }

    /// <summary>Draws as <see cref="Start"/> does, and reads ids [B] and log-probabilities [B] at once.</summary>
    public static (long[] Ids, float[] Logprobs) Draw(
        Tensor logits,
        SamplingSettings settings,
        double[] uniforms,
        Tensor? previous = null,
        Tensor? suppressed = null,
        ScalarType? operands = null
    )
    {
        using var scope = NewDisposeScope();
        var drawn = Start(logits, settings, uniforms, previous, suppressed, operands);
        return drawn.Known ?? Drawn.Of(HostReads.Numbers(drawn.Ids!, drawn.Logprobs!));
    }

    /// <summary>Tokens that were drawn: on the host where a kernel drew them, else on the device, where they can be read together with more.</summary>
    /// <param name="Known">On the host, or null.</param>
    /// <param name="Ids">int64 [B]; null where they are known.</param>
    /// <param name="Logprobs">[B], at the temperature over the full vocabulary; null where they are known.</param>
    internal readonly record struct Drawn((long[] Ids, float[] Logprobs)? Known, Tensor? Ids = null, Tensor? Logprobs = null)
    {
        /// <summary>From the numbers of both tensors.</summary>
        internal static (long[] Ids, float[] Logprobs) Of(IReadOnlyList<double[]> numbers) =>
            (Array.ConvertAll(numbers[0], x => (long)x), Array.ConvertAll(numbers[1], x => (float)x));
    }

    /// <summary>
    /// Draws one token a row by inverting the cumulative distribution at the row's uniform number. Suppressed tokens, bool [B, V] or [1, V], are not drawn.
    /// Operands: what the logits were summed from, where it is another type than theirs.
    /// </summary>
    internal static Drawn Start(
        Tensor logits,
        SamplingSettings settings,
        double[] uniforms,
        Tensor? previous = null,
        Tensor? suppressed = null,
        ScalarType? operands = null
    )
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        var greedy = settings.Temperature == 0;
        if (!greedy && !settings.Truncates && settings.RepetitionPenalty == 1 && suppressed is null && FusedKernels.Apply(logits))
            return new(TokenDraw.Draw(logits.contiguous(), settings.Temperature, uniforms, operands));
        if (logits.dtype == ScalarType.BFloat16)
            logits = logits.to(ScalarType.Float32);
        var untruncated = settings with { Temperature = greedy ? 1 : settings.Temperature, TopK = 0, TopP = 1, MinP = 0 };
        var full = LogProbabilities(logits, untruncated, previous);
        var candidates = suppressed is null ? logits : logits.masked_fill(suppressed, double.NegativeInfinity);
        Tensor ids;
        if (greedy)
        {
            ids = (suppressed is null ? full : LogProbabilities(candidates, untruncated, previous)).argmax(1);
        }
        else
        {
            var allowed = settings.Truncates || suppressed is not null ? LogProbabilities(candidates, settings, previous) : full;
            var cumulative = allowed.exp().cumsum(1); // [B, V]
            var total = cumulative.narrow(1, cumulative.shape[1] - 1, 1);
            var threshold = tensor(Array.ConvertAll(uniforms, u => (float)u), device: logits.device).unsqueeze(1).to(cumulative.dtype) * total;
            // A number that rounds up to the total must not run past the last allowed token.
            ids = minimum((cumulative <= threshold).sum(1), (cumulative < total).sum(1));
        }

        return new(null, ids.MoveToOuterDisposeScope(), full.gather(1, ids.unsqueeze(1)).squeeze(1).MoveToOuterDisposeScope());
    }
}
