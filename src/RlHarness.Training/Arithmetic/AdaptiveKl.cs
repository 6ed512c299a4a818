namespace RlHarness.Training.Arithmetic;

/// <summary>Keeps KL near a target (Ziegler et al. 2019): coefficient ·= 1 + clip(kl / target − 1, ±0.2) · batch / horizon.</summary>
public static class AdaptiveKl
{
    public static double Next(double coefficient, double kl, double target, double horizon, int batch) =>
        coefficient * (1 + Math.Clamp(kl / target - 1, -0.2, 0.2) * batch / horizon);
}
