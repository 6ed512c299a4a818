using static TorchSharp.torch;

namespace RlHarness.Training.Losses;

/// <summary>How a sum over tokens becomes a loss.</summary>
public enum LossNormalization
{
    /// <summary>Mean over all response tokens of the minibatch.</summary>
    Token,

    /// <summary>Mean over sequences of their token means.</summary>
    Sequence,

    /// <summary>Sum over tokens, divided by sequences × longest.</summary>
    Constant,
}

/// <summary>
/// The weight of each token in the loss, so that loss = Σ weight · token loss. Weights come from the whole minibatch: any split into micro-batches, or over
/// processes, gives the same gradient.
/// </summary>
internal static class TokenWeights
{
    /// <summary>
    /// Weight of a token in a sequence of the given length; <paramref name="tokens"/>, <paramref name="sequences"/> and <paramref name="longest"/>
    /// are those of the whole minibatch.
    /// </summary>
    public static double Of(LossNormalization normalization, int length, long tokens, int sequences, int longest) =>
        normalization switch
        {
            LossNormalization.Token => 1.0 / tokens,
            LossNormalization.Sequence => 1.0 / ((double)length * sequences),
            _ => 1.0 / ((double)sequences * longest),
        };

    /// <summary>Weights [B, T] of a padded batch, 0 where the mask is.</summary>
    public static Tensor Padded(LossNormalization normalization, Tensor mask, ScalarType type)
    {
        var m = mask.to(type);
        return normalization switch
        {
            LossNormalization.Token => m / m.sum(),
            LossNormalization.Sequence => m / m.sum(1, keepdim: true) / m.shape[0],
            _ => m / (m.shape[0] * m.shape[1]),
        };
    }
}
