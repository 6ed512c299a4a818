using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using RlHarness.Models.Kernels;
using static TorchSharp.torch;

// Symbols: R scored rows, C rows of a chunk, H hidden size, V vocabulary.
namespace RlHarness.Training.Batching;

/// <summary>
/// From hidden states to log-probabilities of chosen tokens and back, in chunks: logits exist for C rows at a time, never for a batch.
/// The gradient of the head is written down by hand: d loss / d logits = (g (onehot − p) − h p (log p + entropy)) / temperature, with g and h the
/// gradients of the loss by log-probability and by entropy.
/// </summary>
public static class TokenScorer
{
    /// <summary>Logits that exist at one time, at most (but for 16 rows of a large vocabulary).</summary>
    public const long LogitsAtOnce = 3 << 22;

    /// <summary>The loss of rows [start, start + count) from their log-probabilities and entropies [count], a scalar; losses of chunks add up.</summary>
    public delegate Tensor ChunkLoss(Tensor logprobs, Tensor entropy, long start, long count);

    /// <param name="Logprobs">fp32 [R].</param>
    /// <param name="Entropy">Nats, fp32 [R].</param>
    public sealed record Scores(Tensor Logprobs, Tensor Entropy);

    /// <summary>Log-probabilities and entropies, without gradients.</summary>
    public static Scores Score(Decoder decoder, Tensor hidden, Tensor targets, double temperature)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var logprobs = new List<Tensor>();
        var entropies = new List<Tensor>();
        foreach (var (start, count) in Chunks(decoder, hidden.shape[0]))
        {
            using var step = NewDisposeScope();
            var result = TokenSoftmax.Forward(
                decoder.SummedLogits(hidden.narrow(0, start, count)),
                targets.narrow(0, start, count),
                temperature,
                decoder.ComputeType
            );
            logprobs.Add(result.Logprobs.MoveToOuterDisposeScope());
            entropies.Add(result.Entropy.MoveToOuterDisposeScope());
        }

        return new(cat(logprobs.ToArray(), 0).MoveToOuterDisposeScope(), cat(entropies.ToArray(), 0).MoveToOuterDisposeScope());
    }

    /// <summary>Adds the head's gradient to its store (unless frozen) and returns the gradient by the hidden rows, fp32 [R, H].</summary>
    /// <param name="decoder">Whose head it is.</param>
    /// <param name="hidden">Hidden states of the scored rows, [R, H].</param>
    /// <param name="targets">Their tokens, int64 [R].</param>
    /// <param name="temperature">On the logits.</param>
    /// <param name="loss">The loss by chunk.</param>
    /// <param name="chunkRows">C; null: as many as a fixed block of logits holds.</param>
    public static Tensor Backward(Decoder decoder, Tensor hidden, Tensor targets, double temperature, ChunkLoss loss, long? chunkRows = null)
    {
        if (decoder.Adapters is { SavedHead: not null } || decoder.Adapters?.Slices.Any(s => s.Parameter == "lm_head") == true)
            throw new HarnessException(
                ErrorKind.BadInput,
                "training an adapter on the head is not supported",
                "lm_head",
                "adapters on attention and feed-forward projections"
            );
        using var scope = NewDisposeScope();
        var rows = hidden.detach();
        var gradients = new List<Tensor>();
        foreach (var (start, count) in Chunks(decoder, rows.shape[0], chunkRows))
        {
            using var step = NewDisposeScope();
            Tensor part,
                target,
                logits;
            TokenSoftmax.Result forward;
            using (no_grad())
            {
                part = rows.narrow(0, start, count);
                target = targets.narrow(0, start, count);
                logits = decoder.SummedLogits(part); // [C, V]
                forward = TokenSoftmax.Forward(logits, target, temperature, decoder.ComputeType);
            }

            var chosen = forward.Logprobs.detach().requires_grad_(true);
            var entropy = forward.Entropy.detach().requires_grad_(true);
            loss(chosen, entropy, start, count).backward();
            using (no_grad())
            {
                var gradient = TokenSoftmax.Backward(logits, target, temperature, forward, chosen.grad!, entropy.grad, decoder.ComputeType);
                gradients.Add(decoder.HeadInputGradient(gradient).MoveToOuterDisposeScope());
                decoder.AddHeadGradient(gradient, part);
            }
        }

        return cat(gradients.ToArray(), 0).MoveToOuterDisposeScope();
    }

    private static IEnumerable<(long Start, long Count)> Chunks(Decoder decoder, long rows, long? chunkRows = null)
    {
        var size = chunkRows ?? Math.Max(16, LogitsAtOnce / decoder.Config.VocabSize);
        for (var at = 0L; at < rows; at += size)
            yield return (at, Math.Min(size, rows - at));
    }
}
