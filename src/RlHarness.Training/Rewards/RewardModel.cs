using RlHarness.Models.Decoders;
using RlHarness.Training.Batching;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Rewards;

/// <summary>A decoder's body with a scalar head: the score of a text is read at its last token.</summary>
public sealed class RewardModel(Decoder body, ScalarHead head, int microBatchTokens) : IDisposable
{
    public Decoder Body => body;

    public ScalarHead Head => head;

    /// <summary>Scores of texts (token ids), fp32, without gradients.</summary>
    public float[] Score(IReadOnlyList<IReadOnlyList<int>> texts)
    {
        using var guard = no_grad();
        var scores = new float[texts.Count];
        foreach (var plan in MicroBatches.Plan([.. texts.Select(t => t.Count)], microBatchTokens))
        {
            using var scope = NewDisposeScope();
            using var batch = TokenBatch.Pack([.. plan.Select(i => texts[i])], body.Device, int.MaxValue);
            var values = Forward(batch).cpu().data<float>().ToArray();
            for (var i = 0; i < plan.Count; i++) scores[plan[i]] = values[i];
        }

        return scores;
    }

    /// <summary>Scores [B] of a packed batch.</summary>
    internal Tensor Forward(TokenBatch batch)
    {
        using var last = tensor(batch.Lengths.Select((l, i) => (long)batch.RowOf(i, l - 1)).ToArray(), device: body.Device);
        return head.Forward(UnpadFunction.apply(body.Forward(batch), last));
    }

    public void Dispose()
    {
        body.Dispose();
        head.Dispose();
    }
}
