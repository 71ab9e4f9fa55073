// Generated from x86/opcodes.txt by tools/gen-facts.ts. Do not edit.

/** Mnemonics by the number that the engine's tables have; 0: the instruction has none. */
export const MNEMONICS: readonly string[] = (
  "- aadd aand adc adcx add addpd addps addsd addss addsubpd addsubps adox aesdec aesdec128kl aesdec256kl " +
  "aesdeclast aesdecwide128kl aesdecwide256kl aesenc aesenc128kl aesenc256kl aesenclast aesencwide128kl " +
  "aesencwide256kl aesimc aeskeygenassist and andn andnpd andnps andpd andps aor axor bextr blcfill blci blcic " +
  "blcmsk blcs blendpd blendps blendvpd blendvps blsfill blsi blsic blsmsk blsr bsf bsr bswap bt btc btr bts bzhi " +
  "call cbw ccs_encrypt ccs_hash cdq cdqe clac clc cld cldemote clflush clflushopt clgi cli clrssbsy clts clui " +
  "clwb clzero cmc cmova cmovae cmovb cmovbe cmove cmovg cmovge cmovl cmovle cmovne cmovno cmovnp cmovns cmovo " +
  "cmovp cmovs cmp cmpbexadd cmpbxadd cmplexadd cmplxadd cmpnbexadd cmpnbxadd cmpnlexadd cmpnlxadd cmpnoxadd " +
  "cmpnpxadd cmpnsxadd cmpnzxadd cmpoxadd cmppd cmpps cmppxadd cmpsb cmpsd cmpsq cmpss cmpsw cmpsxadd cmpxchg " +
  "cmpxchg16b cmpxchg8b cmpzxadd comisd comiss cpuid cqo crc32 cvtdq2pd cvtdq2ps cvtpd2dq cvtpd2pi cvtpd2ps " +
  "cvtpi2pd cvtpi2ps cvtps2dq cvtps2pd cvtps2pi cvtsd2si cvtsd2ss cvtsi2sd cvtsi2ss cvtss2sd cvtss2si cvttpd2dq " +
  "cvttpd2pi cvttps2dq cvttps2pi cvttsd2si cvttss2si cwd cwde dec div divpd divps divsd divss dppd dpps emms " +
  "encls enclu enclv encodekey128 encodekey256 endbr64 enqcmd enqcmds enter erets eretu extractps extrq f2xm1 " +
  "fabs fadd faddp fbld fbstp fchs fcmovb fcmovbe fcmove fcmovnb fcmovnbe fcmovne fcmovnu fcmovu fcom fcomi " +
  "fcomip fcomp fcompp fcos fdecstp fdiv fdivp fdivr fdivrp femms ffree ffreep fiadd ficom ficomp fidiv fidivr " +
  "fild fimul fincstp fist fistp fisttp fisub fisubr fld fld1 fldcw fldenv fldl2e fldl2t fldlg2 fldln2 fldpi fldz " +
  "fmul fmulp fnclex fndisi fneni fninit fnop fnsave fnsetpm fnstcw fnstenv fnstsw fpatan fprem fprem1 fptan " +
  "frndint frstor fscale fsin fsincos fsqrt fst fstp fstpnce fsub fsubp fsubr fsubrp ftst fucom fucomi fucomip " +
  "fucomp fucompp fwait fxam fxch fxrstor fxrstor64 fxsave fxsave64 fxtract fyl2x fyl2xp1 getsec getsecq " +
  "gf2p8affineinvqb gf2p8affineqb gf2p8mulb haddpd haddps hlt hreset hsubpd hsubps idiv imul in inc incsspd " +
  "incsspq insb insd insertps insertq insw int int1 int3 invd invept invlpg invlpga invlpgb invpcid invvpid iret " +
  "iretd iretq ja jae jb jbe je jg jge jl jle jmp jmpabs jne jno jnp jns jo jp jrcxz js kaddb kaddd kaddq kaddw " +
  "kandb kandd kandnb kandnd kandnq kandnw kandq kandw kmovb kmovd kmovq kmovw knotb knotd knotq knotw korb kord " +
  "korq kortestb kortestd kortestq kortestw korw kshiftlb kshiftld kshiftlq kshiftlw kshiftrb kshiftrd kshiftrq " +
  "kshiftrw ktestb ktestd ktestq ktestw kunpckbw kunpckdq kunpckwd kxnorb kxnord kxnorq kxnorw kxorb kxord kxorq " +
  "kxorw lahf lar lddqu ldmxcsr ldtilecfg lea leave lfence lfs lgdt lgs lidt lkgs lldt llwpcb lmsw loadiwkey " +
  "lodsb lodsd lodsq lodsw loop loope loopne lsl lss ltr lwpins lwpval lzcnt maskmovdqu maskmovq maxpd maxps " +
  "maxsd maxss mcommit mfence minpd minps minsd minss monitor monitorx montmul montmul2 mov movapd movaps movbe " +
  "movd movddup movdir64b movdiri movdq2q movdqa movdqu movhlps movhpd movhps movlhps movlpd movlps movmskpd " +
  "movmskps movntdq movntdqa movnti movntpd movntps movntq movntsd movntss movq movq2dq movrs movsb movsd " +
  "movshdup movsldup movsq movss movsw movsx movsxd movupd movups movzx mpsadbw mul mulpd mulps mulsd mulss mulx " +
  "mwait mwaitx neg nop not or orpd orps out outsb outsd outsw pabsb pabsd pabsw packssdw packsswb packusdw " +
  "packuswb paddb paddd paddq paddsb paddsw paddusb paddusw paddw palignr pand pandn pause pavgb pavgusb pavgw " +
  "pblendvb pblendw pbndkb pclmulqdq pcmpeqb pcmpeqd pcmpeqq pcmpeqw pcmpestri pcmpestri64 pcmpestrm pcmpestrm64 " +
  "pcmpgtb pcmpgtd pcmpgtq pcmpgtw pcmpistri pcmpistrm pconfig pdep pext pextrb pextrd pextrq pextrw pf2id pf2iw " +
  "pfacc pfadd pfcmpeq pfcmpge pfcmpgt pfmax pfmin pfmul pfnacc pfpnacc pfrcp pfrcpit1 pfrcpit2 pfrcpv pfrsqit1 " +
  "pfrsqrt pfrsqrtv pfsub pfsubr phaddd phaddsw phaddw phminposuw phsubd phsubsw phsubw pi2fd pi2fw pinsrb pinsrd " +
  "pinsrq pinsrw pmaddubsw pmaddwd pmaxsb pmaxsd pmaxsw pmaxub pmaxud pmaxuw pminsb pminsd pminsw pminub pminud " +
  "pminuw pmovmskb pmovsxbd pmovsxbq pmovsxbw pmovsxdq pmovsxwd pmovsxwq pmovzxbd pmovzxbq pmovzxbw pmovzxdq " +
  "pmovzxwd pmovzxwq pmuldq pmulhrsw pmulhrw pmulhuw pmulhw pmulld pmullw pmuludq pop popcnt popf popfq por " +
  "prefetch prefetchit0 prefetchit1 prefetchnta prefetcht0 prefetcht1 prefetcht2 prefetchw prefetchwt1 psadbw " +
  "pshufb pshufd pshufhw pshuflw pshufw psignb psignd psignw pslld pslldq psllq psllw psmash psrad psraw psrld " +
  "psrldq psrlq psrlw psubb psubd psubq psubsb psubsw psubusb psubusw psubw pswapd ptest ptwrite punpckhbw " +
  "punpckhdq punpckhqdq punpckhwd punpcklbw punpckldq punpcklqdq punpcklwd push pushf pushfq pvalidate pxor rcl " +
  "rcpps rcpss rcr rdfsbase rdgsbase rdmsr rdmsrlist rdpid rdpkru rdpmc rdpru rdrand rdseed rdsspd rdsspq rdtsc " +
  "rdtscp ret retf rmpadjust rmpquery rmpread rmpupdate rol ror rorx roundpd roundps roundsd roundss rsm rsqrtps " +
  "rsqrtss rstorssp sahf sar sarx saveprevssp sbb scasb scasd scasq scasw seamcall seamops seamret senduipi " +
  "serialize seta setae setb setbe sete setg setge setl setle setne setno setnp setns seto setp sets setssbsy " +
  "sfence sgdt sha1msg1 sha1msg2 sha1nexte sha1rnds4 sha256msg1 sha256msg2 sha256rnds2 shl shld shlx shr shrd " +
  "shrx shufpd shufps sidt skinit sldt slwpcb smsw sqrtpd sqrtps sqrtsd sqrtss stac stc std stgi sti stmxcsr " +
  "stosb stosd stosq stosw str sttilecfg stui sub subpd subps subsd subss swapgs syscall sysenter sysexit " +
  "sysexitq sysret sysretq t1mskc tcmmimfp16ps tcmmrlfp16ps tcvtrowd2ps tcvtrowps2bf16l tcvtrowps2phh tdcall " +
  "tdpbf16ps tdpbf8ps tdpbssd tdpbsud tdpbusd tdpbuud tdpfp16ps test testui tileloadd tileloaddrs tileloaddrst1 " +
  "tileloaddt1 tilemovrow tilerelease tilestored tilezero tlbsync tmmultf32ps tpause tzcnt tzmsk ucomisd ucomiss " +
  "ud0 ud1 ud2 uiret umonitor umwait unpckhpd unpckhps unpcklpd unpcklps urdmsr uwrmsr v4fmaddps v4fmaddss " +
  "v4fnmaddps v4fnmaddss vaddbf16 vaddpd vaddph vaddps vaddsd vaddsh vaddss vaddsubpd vaddsubps vaesdec " +
  "vaesdeclast vaesenc vaesenclast vaesimc vaeskeygenassist valignd valignq vandnpd vandnps vandpd vandps " +
  "vbcstnebf162ps vbcstnesh2ps vblendmpd vblendmps vblendpd vblendps vblendvpd vblendvps vbroadcastf128 " +
  "vbroadcastf32x2 vbroadcastf32x4 vbroadcastf32x8 vbroadcastf64x2 vbroadcastf64x4 vbroadcasti128 vbroadcasti32x2 " +
  "vbroadcasti32x4 vbroadcasti32x8 vbroadcasti64x2 vbroadcasti64x4 vbroadcastsd vbroadcastss vcmpbf16 vcmppd " +
  "vcmpph vcmpps vcmpsd vcmpsh vcmpss vcomisbf16 vcomisd vcomish vcomiss vcompresspd vcompressps vcomxsd vcomxsh " +
  "vcomxss vcvt2ph2bf8 vcvt2ph2bf8s vcvt2ph2hf8 vcvt2ph2hf8s vcvt2ps2phx vcvtbf162ibs vcvtbf162iubs " +
  "vcvtbiasph2bf8 vcvtbiasph2bf8s vcvtbiasph2hf8 vcvtbiasph2hf8s vcvtdq2pd vcvtdq2ph vcvtdq2ps vcvthf82ph " +
  "vcvtne2ps2bf16 vcvtneebf162ps vcvtneeph2ps vcvtneobf162ps vcvtneoph2ps vcvtneps2bf16 vcvtpd2dq vcvtpd2ph " +
  "vcvtpd2ps vcvtpd2qq vcvtpd2udq vcvtpd2uqq vcvtph2bf8 vcvtph2bf8s vcvtph2dq vcvtph2hf8 vcvtph2hf8s vcvtph2ibs " +
  "vcvtph2iubs vcvtph2pd vcvtph2ps vcvtph2psx vcvtph2qq vcvtph2udq vcvtph2uqq vcvtph2uw vcvtph2w vcvtps2dq " +
  "vcvtps2ibs vcvtps2iubs vcvtps2pd vcvtps2ph vcvtps2phx vcvtps2qq vcvtps2udq vcvtps2uqq vcvtqq2pd vcvtqq2ph " +
  "vcvtqq2ps vcvtsd2sh vcvtsd2si vcvtsd2ss vcvtsd2usi vcvtsh2sd vcvtsh2si vcvtsh2ss vcvtsh2usi vcvtsi2sd " +
  "vcvtsi2sh vcvtsi2ss vcvtss2sd vcvtss2sh vcvtss2si vcvtss2usi vcvttbf162ibs vcvttbf162iubs vcvttpd2dq " +
  "vcvttpd2dqs vcvttpd2qq vcvttpd2qqs vcvttpd2udq vcvttpd2udqs vcvttpd2uqq vcvttpd2uqqs vcvttph2dq vcvttph2ibs " +
  "vcvttph2iubs vcvttph2qq vcvttph2udq vcvttph2uqq vcvttph2uw vcvttph2w vcvttps2dq vcvttps2dqs vcvttps2ibs " +
  "vcvttps2iubs vcvttps2qq vcvttps2qqs vcvttps2udq vcvttps2udqs vcvttps2uqq vcvttps2uqqs vcvttsd2si vcvttsd2sis " +
  "vcvttsd2usi vcvttsd2usis vcvttsh2si vcvttsh2usi vcvttss2si vcvttss2sis vcvttss2usi vcvttss2usis vcvtudq2pd " +
  "vcvtudq2ph vcvtudq2ps vcvtuqq2pd vcvtuqq2ph vcvtuqq2ps vcvtusi2sd vcvtusi2sh vcvtusi2ss vcvtuw2ph vcvtw2ph " +
  "vdbpsadbw vdivbf16 vdivpd vdivph vdivps vdivsd vdivsh vdivss vdpbf16ps vdppd vdpphps vdpps verr verw vexp2pd " +
  "vexp2ps vexpandpd vexpandps vextractf128 vextractf32x4 vextractf32x8 vextractf64x2 vextractf64x4 vextracti128 " +
  "vextracti32x4 vextracti32x8 vextracti64x2 vextracti64x4 vextractps vfcmaddcph vfcmaddcsh vfcmulcph vfcmulcsh " +
  "vfixupimmpd vfixupimmps vfixupimmsd vfixupimmss vfmadd132bf16 vfmadd132pd vfmadd132ph vfmadd132ps vfmadd132sd " +
  "vfmadd132sh vfmadd132ss vfmadd213bf16 vfmadd213pd vfmadd213ph vfmadd213ps vfmadd213sd vfmadd213sh vfmadd213ss " +
  "vfmadd231bf16 vfmadd231pd vfmadd231ph vfmadd231ps vfmadd231sd vfmadd231sh vfmadd231ss vfmaddcph vfmaddcsh " +
  "vfmaddpd vfmaddps vfmaddsd vfmaddss vfmaddsub132pd vfmaddsub132ph vfmaddsub132ps vfmaddsub213pd vfmaddsub213ph " +
  "vfmaddsub213ps vfmaddsub231pd vfmaddsub231ph vfmaddsub231ps vfmaddsubpd vfmaddsubps vfmsub132bf16 vfmsub132pd " +
  "vfmsub132ph vfmsub132ps vfmsub132sd vfmsub132sh vfmsub132ss vfmsub213bf16 vfmsub213pd vfmsub213ph vfmsub213ps " +
  "vfmsub213sd vfmsub213sh vfmsub213ss vfmsub231bf16 vfmsub231pd vfmsub231ph vfmsub231ps vfmsub231sd vfmsub231sh " +
  "vfmsub231ss vfmsubadd132pd vfmsubadd132ph vfmsubadd132ps vfmsubadd213pd vfmsubadd213ph vfmsubadd213ps " +
  "vfmsubadd231pd vfmsubadd231ph vfmsubadd231ps vfmsubaddpd vfmsubaddps vfmsubpd vfmsubps vfmsubsd vfmsubss " +
  "vfmulcph vfmulcsh vfnmadd132bf16 vfnmadd132pd vfnmadd132ph vfnmadd132ps vfnmadd132sd vfnmadd132sh vfnmadd132ss " +
  "vfnmadd213bf16 vfnmadd213pd vfnmadd213ph vfnmadd213ps vfnmadd213sd vfnmadd213sh vfnmadd213ss vfnmadd231bf16 " +
  "vfnmadd231pd vfnmadd231ph vfnmadd231ps vfnmadd231sd vfnmadd231sh vfnmadd231ss vfnmaddpd vfnmaddps vfnmaddsd " +
  "vfnmaddss vfnmsub132bf16 vfnmsub132pd vfnmsub132ph vfnmsub132ps vfnmsub132sd vfnmsub132sh vfnmsub132ss " +
  "vfnmsub213bf16 vfnmsub213pd vfnmsub213ph vfnmsub213ps vfnmsub213sd vfnmsub213sh vfnmsub213ss vfnmsub231bf16 " +
  "vfnmsub231pd vfnmsub231ph vfnmsub231ps vfnmsub231sd vfnmsub231sh vfnmsub231ss vfnmsubpd vfnmsubps vfnmsubsd " +
  "vfnmsubss vfpclassbf16 vfpclasspd vfpclassph vfpclassps vfpclasssd vfpclasssh vfpclassss vfrczpd vfrczps " +
  "vfrczsd vfrczss vgatherdpd vgatherdps vgatherpf0dpd vgatherpf0dps vgatherpf0qpd vgatherpf0qps vgatherpf1dpd " +
  "vgatherpf1dps vgatherpf1qpd vgatherpf1qps vgatherqpd vgatherqps vgetexpbf16 vgetexppd vgetexpph vgetexpps " +
  "vgetexpsd vgetexpsh vgetexpss vgetmantbf16 vgetmantpd vgetmantph vgetmantps vgetmantsd vgetmantsh vgetmantss " +
  "vgf2p8affineinvqb vgf2p8affineqb vgf2p8mulb vhaddpd vhaddps vhsubpd vhsubps vinsertf128 vinsertf32x4 " +
  "vinsertf32x8 vinsertf64x2 vinsertf64x4 vinserti128 vinserti32x4 vinserti32x8 vinserti64x2 vinserti64x4 " +
  "vinsertps vlddqu vldmxcsr vmaskmovdqu vmaskmovpd vmaskmovps vmaxbf16 vmaxpd vmaxph vmaxps vmaxsd vmaxsh vmaxss " +
  "vmcall vmclear vmfunc vmgexit vminbf16 vminmaxbf16 vminmaxpd vminmaxph vminmaxps vminmaxsd vminmaxsh vminmaxss " +
  "vminpd vminph vminps vminsd vminsh vminss vmlaunch vmload vmmcall vmovapd vmovaps vmovd vmovddup vmovdqa " +
  "vmovdqa32 vmovdqa64 vmovdqu vmovdqu16 vmovdqu32 vmovdqu64 vmovdqu8 vmovhlps vmovhpd vmovhps vmovlhps vmovlpd " +
  "vmovlps vmovmskpd vmovmskps vmovntdq vmovntdqa vmovntpd vmovntps vmovq vmovrsb vmovsd vmovsh vmovshdup " +
  "vmovsldup vmovss vmovupd vmovups vmovw vmpsadbw vmptrld vmptrst vmread vmresume vmrun vmsave vmulbf16 vmulpd " +
  "vmulph vmulps vmulsd vmulsh vmulss vmwrite vmxoff vmxon vorpd vorps vp2intersectd vp2intersectq vp4dpwssd " +
  "vp4dpwssds vpabsb vpabsd vpabsq vpabsw vpackssdw vpacksswb vpackusdw vpackuswb vpaddb vpaddd vpaddq vpaddsb " +
  "vpaddsw vpaddusb vpaddusw vpaddw vpalignr vpand vpandd vpandn vpandnd vpandnq vpandq vpavgb vpavgw vpblendd " +
  "vpblendmb vpblendmd vpblendmq vpblendmw vpblendvb vpblendw vpbroadcastb vpbroadcastd vpbroadcastmb2q " +
  "vpbroadcastmw2d vpbroadcastq vpbroadcastw vpclmulqdq vpcmov vpcmpb vpcmpd vpcmpeqb vpcmpeqd vpcmpeqq vpcmpeqw " +
  "vpcmpestri vpcmpestri64 vpcmpestrm vpcmpestrm64 vpcmpgtb vpcmpgtd vpcmpgtq vpcmpgtw vpcmpistri vpcmpistrm " +
  "vpcmpq vpcmpub vpcmpud vpcmpuq vpcmpuw vpcmpw vpcomb vpcomd vpcompressb vpcompressd vpcompressq vpcompressw " +
  "vpcomq vpcomub vpcomud vpcomuq vpcomuw vpcomw vpconflictd vpconflictq vpdpbssd vpdpbssds vpdpbsud vpdpbsuds " +
  "vpdpbusd vpdpbusds vpdpbuud vpdpbuuds vpdpwssd vpdpwssds vpdpwsud vpdpwsuds vpdpwusd vpdpwusds vpdpwuud " +
  "vpdpwuuds vperm2f128 vperm2i128 vpermb vpermd vpermi2b vpermi2d vpermi2pd vpermi2ps vpermi2q vpermi2w " +
  "vpermil2pd vpermil2ps vpermilpd vpermilps vpermpd vpermps vpermq vpermt2b vpermt2d vpermt2pd vpermt2ps " +
  "vpermt2q vpermt2w vpermw vpexpandb vpexpandd vpexpandq vpexpandw vpextrb vpextrd vpextrq vpextrw vpgatherdd " +
  "vpgatherdq vpgatherqd vpgatherqq vphaddbd vphaddbq vphaddbw vphaddd vphadddq vphaddsw vphaddubd vphaddubq " +
  "vphaddubw vphaddudq vphadduwd vphadduwq vphaddw vphaddwd vphaddwq vphminposuw vphsubbw vphsubd vphsubdq " +
  "vphsubsw vphsubw vphsubwd vpinsrb vpinsrd vpinsrq vpinsrw vplzcntd vplzcntq vpmacsdd vpmacsdqh vpmacsdql " +
  "vpmacssdd vpmacssdqh vpmacssdql vpmacsswd vpmacssww vpmacswd vpmacsww vpmadcsswd vpmadcswd vpmadd52huq " +
  "vpmadd52luq vpmaddubsw vpmaddwd vpmaskmovd vpmaskmovq vpmaxsb vpmaxsd vpmaxsq vpmaxsw vpmaxub vpmaxud vpmaxuq " +
  "vpmaxuw vpminsb vpminsd vpminsq vpminsw vpminub vpminud vpminuq vpminuw vpmovb2m vpmovd2m vpmovdb vpmovdw " +
  "vpmovm2b vpmovm2d vpmovm2q vpmovm2w vpmovmskb vpmovq2m vpmovqb vpmovqd vpmovqw vpmovsdb vpmovsdw vpmovsqb " +
  "vpmovsqd vpmovsqw vpmovswb vpmovsxbd vpmovsxbq vpmovsxbw vpmovsxdq vpmovsxwd vpmovsxwq vpmovusdb vpmovusdw " +
  "vpmovusqb vpmovusqd vpmovusqw vpmovuswb vpmovw2m vpmovwb vpmovzxbd vpmovzxbq vpmovzxbw vpmovzxdq vpmovzxwd " +
  "vpmovzxwq vpmuldq vpmulhrsw vpmulhuw vpmulhw vpmulld vpmullq vpmullw vpmultishiftqb vpmuludq vpopcntb vpopcntd " +
  "vpopcntq vpopcntw vpor vpord vporq vpperm vprold vprolq vprolvd vprolvq vprord vprorq vprorvd vprorvq vprotb " +
  "vprotd vprotq vprotw vpsadbw vpscatterdd vpscatterdq vpscatterqd vpscatterqq vpshab vpshad vpshaq vpshaw " +
  "vpshlb vpshld vpshldd vpshldq vpshldvd vpshldvq vpshldvw vpshldw vpshlq vpshlw vpshrdd vpshrdq vpshrdvd " +
  "vpshrdvq vpshrdvw vpshrdw vpshufb vpshufbitqmb vpshufd vpshufhw vpshuflw vpsignb vpsignd vpsignw vpslld " +
  "vpslldq vpsllq vpsllvd vpsllvq vpsllvw vpsllw vpsrad vpsraq vpsravd vpsravq vpsravw vpsraw vpsrld vpsrldq " +
  "vpsrlq vpsrlvd vpsrlvq vpsrlvw vpsrlw vpsubb vpsubd vpsubq vpsubsb vpsubsw vpsubusb vpsubusw vpsubw vpternlogd " +
  "vpternlogq vptest vptestmb vptestmd vptestmq vptestmw vptestnmb vptestnmd vptestnmq vptestnmw vpunpckhbw " +
  "vpunpckhdq vpunpckhqdq vpunpckhwd vpunpcklbw vpunpckldq vpunpcklqdq vpunpcklwd vpxor vpxord vpxorq vrangepd " +
  "vrangeps vrangesd vrangess vrcp14pd vrcp14ps vrcp14sd vrcp14ss vrcp28pd vrcp28ps vrcp28sd vrcp28ss vrcpbf16 " +
  "vrcpph vrcpps vrcpsh vrcpss vreducebf16 vreducepd vreduceph vreduceps vreducesd vreducesh vreducess " +
  "vrndscalebf16 vrndscalepd vrndscaleph vrndscaleps vrndscalesd vrndscalesh vrndscaless vroundpd vroundps " +
  "vroundsd vroundss vrsqrt14pd vrsqrt14ps vrsqrt14sd vrsqrt14ss vrsqrt28pd vrsqrt28ps vrsqrt28sd vrsqrt28ss " +
  "vrsqrtbf16 vrsqrtph vrsqrtps vrsqrtsh vrsqrtss vscalefbf16 vscalefpd vscalefph vscalefps vscalefsd vscalefsh " +
  "vscalefss vscatterdpd vscatterdps vscatterpf0dpd vscatterpf0dps vscatterpf0qpd vscatterpf0qps vscatterpf1dpd " +
  "vscatterpf1dps vscatterpf1qpd vscatterpf1qps vscatterqpd vscatterqps vsha512msg1 vsha512msg2 vsha512rnds2 " +
  "vshuff32x4 vshuff64x2 vshufi32x4 vshufi64x2 vshufpd vshufps vsm3msg1 vsm3msg2 vsm3rnds2 vsm4key4 vsm4rnds4 " +
  "vsqrtbf16 vsqrtpd vsqrtph vsqrtps vsqrtsd vsqrtsh vsqrtss vstmxcsr vsubbf16 vsubpd vsubph vsubps vsubsd vsubsh " +
  "vsubss vtestpd vtestps vucomisd vucomish vucomiss vucomxsd vucomxsh vucomxss vunpckhpd vunpckhps vunpcklpd " +
  "vunpcklps vxorpd vxorps vzeroall vzeroupper wbinvd wbnoinvd wrfsbase wrgsbase wrmsr wrmsrlist wrmsrns wrpkru " +
  "wrssd wrssq wrussd wrussq xabort xadd xbegin xchg xcryptcbc xcryptcfb xcryptctr xcryptecb xcryptofb xend " +
  "xgetbv xlat xmodexp xor xorpd xorps xresldtrk xrng2 xrstor xrstor64 xrstors xrstors64 xsave xsave64 xsavec " +
  "xsavec64 xsaveopt xsaveopt64 xsaves xsaves64 xsetbv xsha1 xsha256 xsha512 xstore xsusldtrk xtest " +
  ""
)
  .trimEnd()
  .split(" ");
