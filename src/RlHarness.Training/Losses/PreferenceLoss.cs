using static TorchSharp.torch;

namespace RlHarness.Training.Losses;

/// <summary>Bradley–Terry loss of a reward model: −log σ(chosen − rejected − margin), plus a term that keeps the scores centred.</summary>
internal static class PreferenceLoss
{
    /// <summary>Scores [pairs]; <paramref name="centering"/> weighs mean((chosen + rejected)²) (Eisenstein et al. 2023).</summary>
    public static Tensor BradleyTerry(Tensor chosen, Tensor rejected, Tensor? margin = null, double centering = 0)
    {
        var difference = chosen - rejected;
        if (margin is not null)
            difference -= margin;
        var loss = -nn.functional.logsigmoid(difference).mean();
        return centering == 0 ? loss : loss + centering * (chosen + rejected).square().mean();
    }

    /// <summary>Share of pairs whose chosen side scores higher.</summary>
    public static Tensor Accuracy(Tensor chosen, Tensor rejected) => (chosen > rejected).to(ScalarType.Float64).mean();
}
