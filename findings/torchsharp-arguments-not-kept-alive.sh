#!/usr/bin/env bash
# TorchSharp 0.107.0: methods that hand the native handle of a Scalar to libtorch do not keep the Scalar alive.
#
# A Scalar owns native memory that its finaliser frees. A method reads its handle, calls libtorch, and never names the object again (no GC.KeepAlive, no
# SafeHandle), so that in optimised code the collector may finalise it while libtorch reads it: .NET's own advice on native interop warns of exactly this. Many
# are temporaries that no caller can hold: tensor + tensor makes a Scalar 1 for libtorch's alpha. Under load it was seen as "Expected false to be true" from
# c10::Scalar::toFloat, once in about 140 small training runs; nothing says that the number read is never another one.
# What is checked here is the code, by reflection, without libtorch: nothing is run that could read freed memory.
#
# Seen on 2026-12-01 with .NET 10.0.401 and TorchSharp 0.107.0:
#   methods of torch.Tensor that take a Scalar: 67, of which keep it alive: 1
#   Tensor.add(Tensor) makes a Scalar itself: True, and keeps it alive: False
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/finding.csproj" <<'PROJECT'
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings></PropertyGroup>
  <ItemGroup><PackageReference Include="TorchSharp" Version="0.107.0" /></ItemGroup>
</Project>
PROJECT
cat > "$work/Program.cs" <<'PROGRAM'
using System.Reflection;
using System.Reflection.Emit;
using TorchSharp;

var one = typeof(OpCodes).GetFields().Select(f => (OpCode)f.GetValue(null)!).Where(c => c.Size == 1).ToDictionary(c => (byte)c.Value);
var two = typeof(OpCodes).GetFields().Select(f => (OpCode)f.GetValue(null)!).Where(c => c.Size == 2).ToDictionary(c => (byte)c.Value);

// The methods that a method calls, from its instructions.
IEnumerable<MethodBase> Calls(MethodBase method)
{
    if (method.GetMethodBody()?.GetILAsByteArray() is not { } il)
        yield break;
    for (var i = 0; i < il.Length;)
    {
        var code = il[i] == 0xFE ? two[il[i + 1]] : one[il[i]];
        i += code.Size;
        if (code.OperandType == OperandType.InlineMethod)
            yield return method.Module.ResolveMethod(
                BitConverter.ToInt32(il, i),
                method.DeclaringType!.GetGenericArguments(),
                method.IsGenericMethod ? method.GetGenericArguments() : null
            )!;
        i += code.OperandType switch
        {
            OperandType.InlineNone => 0,
            OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
            OperandType.InlineVar => 2,
            OperandType.InlineI8 or OperandType.InlineR => 8,
            OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(il, i)),
            _ => 4,
        };
    }
}

bool Keeps(MethodBase m) => Calls(m).Any(c => c.DeclaringType == typeof(GC) && c.Name == nameof(GC.KeepAlive));
var taking = typeof(torch.Tensor).GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
    .Where(m => m.GetParameters().Any(p => p.ParameterType == typeof(Scalar)) && Calls(m).Any(c => c.Name.StartsWith("THSTensor_", StringComparison.Ordinal)))
    .ToArray();
Console.WriteLine($"methods of torch.Tensor that take a Scalar: {taking.Length}, of which keep it alive: {taking.Count(Keeps)}");
var add = typeof(torch.Tensor).GetMethod("add", [typeof(torch.Tensor)])!;
Console.WriteLine($"Tensor.add(Tensor) makes a Scalar itself: {Calls(add).Any(c => c.Name == "op_Implicit")}, and keeps it alive: {Keeps(add)}");
PROGRAM
cd "$work"
found=$(dotnet run --project finding.csproj -v q)
printf '%s\n' "$found"
expected='methods of torch.Tensor that take a Scalar: 67, of which keep it alive: 1
Tensor.add(Tensor) makes a Scalar itself: True, and keeps it alive: False'
[ "$found" = "$expected" ] || { echo "changed: expected" >&2; printf '%s\n' "$expected" >&2; exit 1; }
