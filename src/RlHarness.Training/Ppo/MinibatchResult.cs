namespace RlHarness.Training.Ppo;

/// <summary>Figures of one update. Means are over response tokens of the minibatch; norms are before clipping.</summary>
public sealed record MinibatchResult(
    int Epoch,
    int Minibatch,
    double PolicyLoss,
    double ValueLoss,
    double Entropy,
    double ApproxKl,
    double ClipFraction,
    double ValueClipFraction,
    double RatioMean,
    double RatioVariance,
    double MaxRatioDeviation,
    double PolicyGradientNorm,
    double CriticGradientNorm
);
