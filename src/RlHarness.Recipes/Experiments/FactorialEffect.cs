namespace RlHarness.Recipes.Experiments;

/// <summary>One effect of the factors on one figure.</summary>
/// <param name="Unit"><c>seed</c>: a contrast in each seed, t test over seeds; <c>response</c>: responses of all seeds pooled, normal.</param>
/// <param name="Figure">As in <see cref="FactorialFigures.Kinds"/>, with before or after.</param>
/// <param name="Effect">A factor, or several joined by × for their interaction.</param>
/// <param name="Value">Difference of rates, or difference of differences, −1 to 1 and beyond.</param>
/// <param name="P">Two-sided; NaN where nothing varies.</param>
/// <param name="Adjusted">Benjamini–Hochberg over all tests of the same unit; NaN where there is no p.</param>
/// <param name="N">Seeds, or responses.</param>
public sealed record FactorialEffect(string Unit, string Figure, string Effect, double Value, double Low, double High, double P, double Adjusted, long N);
