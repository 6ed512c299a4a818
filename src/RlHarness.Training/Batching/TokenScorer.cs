// Symbols: R scored rows, C rows of a chunk, H hidden size, V vocabulary.
using RlHarness.Core.Errors;
using RlHarness.Models.Decoders;
using RlHarness.Training.Arithmetic;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Batching;

/// <summary>
/// From hidden states to log-probabilities of chosen tokens and back, in chunks: logits exist for C rows at a time, never for a batch.
/// The gradient of the head is written down by hand: d loss / d logits = (g (onehot − p) − h p (log p + entropy)) / temperature, with g and h the
/// gradients of the loss by log-probability and by entropy.
/// </summary>
public static class TokenScorer
{
    private const long LogitsAtOnce = 1 << 23;

    /// <summary>The loss of rows [start, start + count) from their log-probabilities and entropies [count], a scalar; losses of chunks add up.</summary>
    public delegate Tensor ChunkLoss(Tensor logprobs, Tensor entropy, long start, long count);

    /// <summary>Log-probabilities and entropies, fp32 [R], without gradients.</summary>
    public static TokenLogprobs.Result Score(Decoder decoder, Tensor hidden, Tensor targets, double temperature)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var logprobs = new List<Tensor>();
        var entropies = new List<Tensor>();
        foreach (var (start, count) in Chunks(decoder, hidden.shape[0]))
        {
            using var step = NewDisposeScope();
            var result = TokenLogprobs.Compute(decoder.Logits(hidden.narrow(0, start, count)), targets.narrow(0, start, count), temperature);
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
            throw new HarnessException(ExitCode.BadInput, "training an adapter on the head is not supported", "lm_head", "adapters on attention and feed-forward projections");
        using var scope = NewDisposeScope();
        var rows = hidden.detach();
        var trainsHead = decoder.Parameters.Gradient is not null;
        Tensor weight, gradientOfWeight;
        using (no_grad()) weight = decoder.HeadWeight();
        gradientOfWeight = trainsHead ? decoder.Parameters.GradientOf(decoder.HeadName) : weight;
        var gradients = new List<Tensor>();
        foreach (var (start, count) in Chunks(decoder, rows.shape[0], chunkRows))
        {
            using var step = NewDisposeScope();
            Tensor logp, part, target;
            using (no_grad())
            {
                part = rows.narrow(0, start, count);
                target = targets.narrow(0, start, count).unsqueeze(1);
                var logits = decoder.Logits(part);
                logp = nn.functional.log_softmax(temperature == 1 ? logits : logits.div_(temperature), -1); // [C, V]
            }

            var chosen = logp.gather(1, target).squeeze(1).detach().requires_grad_(true);
            Tensor p, entropy;
            using (no_grad())
            {
                p = logp.exp();
                entropy = -(p * logp).sum(1);
            }

            var entropyLeaf = entropy.detach().requires_grad_(true);
            loss(chosen, entropyLeaf, start, count).backward();
            using (no_grad())
            {
                var g = chosen.grad!.unsqueeze(1); // [C, 1]
                var dLogits = entropyLeaf.grad is { } h
                    ? -g * p - h.unsqueeze(1) * p * (logp + entropy.unsqueeze(1))
                    : p.mul_(-g);
                dLogits.scatter_add_(1, target, g);
                if (temperature != 1) dLogits.div_(temperature);
                var low = dLogits.to(weight.dtype);
                gradients.Add(mm(low, weight).to(ScalarType.Float32).MoveToOuterDisposeScope());
                if (trainsHead) gradientOfWeight.add_(mm(low.t(), part.to(weight.dtype)));
            }
        }

        return cat(gradients.ToArray(), 0).MoveToOuterDisposeScope();
    }

    private static IEnumerable<(long Start, long Count)> Chunks(Decoder decoder, long rows, long? chunkRows = null)
    {
        var size = chunkRows ?? Math.Max(16, LogitsAtOnce / decoder.Config.VocabSize);
        for (var at = 0L; at < rows; at += size) yield return (at, Math.Min(size, rows - at));
    }
}
