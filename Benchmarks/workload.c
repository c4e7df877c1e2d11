// The standard workload: realistic domain events of 12 services (see README.md beside this file).
// workload generator: gen N seed ndjson bin  -- also prints entropy accounting
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <math.h>
typedef uint64_t u64; typedef uint32_t u32; typedef uint8_t u8;
static u64 S[4];
static inline u64 rotl(u64 x,int k){return (x<<k)|(x>>(64-k));}
static inline u64 rnd(void){u64 r=rotl(S[1]*5,7)*9,t=S[1]<<17;S[2]^=S[0];S[3]^=S[1];S[1]^=S[2];S[0]^=S[3];S[2]^=t;S[3]=rotl(S[3],45);return r;}
static u64 mix(u64 x){x^=x>>30;x*=0xbf58476d1ce4e5b9ULL;x^=x>>27;x*=0x94d049bb133111ebULL;return x^(x>>31);}
static double U(void){return (rnd()>>11)*(1.0/9007199254740992.0);}
static double G(void){double u=U()+1e-18,v=U();return sqrt(-2*log(u))*cos(6.283185307179586*v);}
enum{E_ID,E_CORR,E_CAUSE,E_STREAM,E_TYPE,E_TREE,E_META,E_DUUID,E_DTEXT,E_DNUM,E_DENUM,E_DTIME,E_DHEX,E_DUSER,E_N};
static const char*EN[]={"eventid","corr","rootcause","stream","type","tree","meta","data.newuuid","data.text","data.num","data.enum","data.time","data.hex","data.userattrs"};
static double EB[E_N];
static u32 R(u32 n,int c){EB[c]+=log2(n);return (u32)(((rnd()>>32)*(u64)n)>>32);}
static int P(double p,int c){int r=U()<p;EB[c]+=r?-log2(p):-log2(1-p);return r;}
// zipf tables
typedef struct{int n;double*cdf;}Z;
static Z zipf(int n,double s){Z z={n,malloc(8*n)};double t=0;for(int i=0;i<n;i++){t+=pow(i+1,-s);z.cdf[i]=t;}for(int i=0;i<n;i++)z.cdf[i]/=t;return z;}
static int zs(Z*z,int c){double u=U();int lo=0,hi=z->n-1;while(lo<hi){int m=(lo+hi)/2;if(z->cdf[m]<u)lo=m+1;else hi=m;}double p=z->cdf[lo]-(lo?z->cdf[lo-1]:0);EB[c]+=-log2(p);return lo;}
typedef struct{u64 a,b;}ID;
static ID newid(int c){ID i={rnd(),rnd()};i.a=(i.a&~0xF000ULL)|0x4000;i.b=(i.b&0x3fffffffffffffffULL)|0x8000000000000000ULL;EB[c]+=122;return i;}
static ID hid(u64 x){ID i={mix(x*2+1),mix(x*2+0x9e3779b97f4a7c15ULL)};i.a=(i.a&~0xF000ULL)|0x4000;i.b=(i.b&0x3fffffffffffffffULL)|0x8000000000000000ULL;return i;}
static char*us(char*o,ID i){static const char h[]="0123456789abcdef";u64 v[2]={i.a,i.b};int k=0;for(int n=0;n<32;n++){if(n==8||n==12||n==16||n==20)o[k++]='-';o[k++]=h[(v[n>>4]>>(60-4*(n&15)))&15];}o[k]=0;return o+k;}
#define NCAT 24
static const char*CAT[NCAT]={"user","order","payment","cart","shipment","invoice","product","inventory","refund","subscription","notification","session","coupon","review","ticket","warehouse","carrier","account","ledger","loyalty","fraudcheck","address","wishlist","export"};
static const char*CC[NCAT]={"User","Order","Payment","Cart","Shipment","Invoice","Product","Inventory","Refund","Subscription","Notification","Session","Coupon","Review","Ticket","Warehouse","Carrier","Account","Ledger","Loyalty","FraudCheck","Address","Wishlist","Export"};
// class: 0 new per trace,1 keyed by user,2 catalog
static int CLS[NCAT]={1,0,0,1,0,0,2,2,0,1,0,1,2,0,0,2,2,1,1,1,0,1,1,0};
static int CATN[NCAT]={0,0,0,0,0,0,20000,20000,0,0,0,0,3000,0,0,60,200,0,0,0,0,0,0,0};
static const char*VERB[]={"Created","Updated","Confirmed","Cancelled","Reserved","Released","Completed","Failed","Requested","Approved","Expired","Scheduled","LineAdded","AddressChanged","AmountAdjusted","StatusChanged"};
static const char*IMP[]={"Create","Update","Confirm","Cancel","Reserve","Release","Complete","Fail","Request","Approve","Expire","Schedule","AddLine","ChangeAddress","AdjustAmount","ChangeStatus"};
#define NV 11
#define NT (NCAT*NV)
static const char*SVC[]={"identity","ordering","payments","carts","fulfilment","billing","catalog","stock","support","subscriptions","notify","risk"};
#define NU 300000
static char*WORD[4000];
static const char*FN[64]={"james","mary","robert","patricia","john","jennifer","michael","linda","david","elizabeth","william","barbara","richard","susan","joseph","jessica","thomas","sarah","charles","karen","chris","lisa","daniel","nancy","matthew","betty","anthony","sandra","mark","ashley","donald","emily","steven","kim","andrew","donna","paul","michelle","joshua","carol","kenneth","amanda","kevin","melissa","brian","deborah","tim","stephanie","ron","rebecca","jason","laura","jeff","helen","ryan","sharon","jacob","cynthia","gary","kathleen","nick","amy","eric","angela"};
static const char*LN[64]={"smith","johnson","williams","brown","jones","garcia","miller","davis","rodriguez","martinez","hernandez","lopez","gonzalez","wilson","anderson","thomas","taylor","moore","jackson","martin","lee","perez","thompson","white","harris","sanchez","clark","ramirez","lewis","robinson","walker","young","allen","king","wright","scott","torres","nguyen","hill","flores","green","adams","nelson","baker","hall","rivera","campbell","mitchell","carter","roberts","gomez","phillips","evans","turner","diaz","parker","cruz","edwards","collins","reyes","stewart","morris","morales","murphy"};
static const char*DOM[12]={"gmail.com","outlook.com","yahoo.com","icloud.com","hotmail.com","proton.me","gmx.de","web.de","aol.com","fastmail.com","example.org","live.com"};
static const char*CITY[40]={"Berlin","Hamburg","Munich","Cologne","Paris","Lyon","London","Leeds","Madrid","Seville","Rome","Milan","Vienna","Graz","Zurich","Basel","Oslo","Bergen","Stockholm","Malmo","Copenhagen","Aarhus","Warsaw","Krakow","Prague","Brno","Dublin","Cork","Lisbon","Porto","Boston","Austin","Denver","Seattle","Chicago","Dallas","Toronto","Montreal","Sydney","Perth"};
static const char*CUR[5]={"EUR","USD","GBP","SEK","CHF"};
enum{F_AGG,F_USER,F_EMAIL,F_NAME,F_PRICE,F_CUR,F_TIME,F_TEXT,F_INT,F_ENUM,F_BOOL,F_ADDR,F_PHONE,F_ITEMS,F_UUID,F_HEX,F_IP,F_UA,F_GEO,F_SKU,F_REF,F_URL,F_N};
static const int FW[F_N]={0,9,6,6,12,7,14,9,12,16,8,3,2,3,4,2,3,2,3,6,10,3};
static const char*FNM[F_N][4]={{0},{"userId","customerId","actorId","ownerId"},{"email","contactEmail","recipient","billingEmail"},{"name","customerName","fullName","displayName"},{"amount","total","price","balance"},{"currency","currencyCode","currency","cur"},{"occurredAt","dueDate","updatedAt","requestedAt"},{"note","description","reason","message"},{"quantity","version","attempt","count"},{"status","channel","priority","category"},{"isActive","verified","expedited","isGift"},{"shippingAddress","address","billingAddress","location"},{"phone","mobile","phoneNumber","contactPhone"},{"items","lines","products","entries"},{"transactionId","requestId","referenceId","batchId"},{"hash","token","etag","signature"},{"ip","clientIp","remoteAddr","sourceIp"},{"userAgent","client","agent","browser"},{"geo","position","coordinates","latLon"},{"sku","productCode","itemSku","article"},{"orderId","parentId","relatedId","sourceId"},{"link","callbackUrl","resource","url"}};
typedef struct{u8 k,nm,opt,x;}FLD;
typedef struct{int cat,verb;char name[40];char h[2][64];int nf;FLD f[18];int next[5];}TY;
static TY T[NT];
typedef struct{ID corr,rootcause;char cs[40];u32 user;int left,pend;ID st[NCAT];u32*rev[NCAT];u8 has[NCAT];u32 ownrev[NCAT];u8 cur;u32 cents;int nsku;u32 sku[5];int hex;u32 refs;}TR;
typedef struct{long long t;u32 tr;int type;ID parent;int ptype;u64 seq;}EV;
static EV*H;static int hn,hc;
static int lt(EV*a,EV*b){return a->t<b->t||(a->t==b->t&&a->seq<b->seq);}
static void push(EV e){if(hn==hc){hc=hc?hc*2:1<<16;H=realloc(H,sizeof(EV)*hc);}int i=hn++;while(i&&lt(&e,&H[(i-1)/2])){H[i]=H[(i-1)/2];i=(i-1)/2;}H[i]=e;}
static EV pop(void){EV r=H[0],e=H[--hn];int i=0;for(;;){int c=2*i+1;if(c>=hn)break;if(c+1<hn&&lt(&H[c+1],&H[c]))c++;if(!lt(&H[c],&e))break;H[i]=H[c];i=c;}H[i]=e;return r;}
static u32*REVU[NCAT];
typedef struct{ID id;u32 rev;}RS;static RS*ring[NCAT];static int rn[NCAT];
#define RING 65536
static Z zu,zw,zc,zk[NCAT];
static char*iso(char*o,long long t,int frac){ // t 100ns since epoch
 long long s=t/10000000;int f=t%10000000;long days=s/86400;int r=s%86400;long z=days+719468;long era=z/146097;unsigned doe=z-era*146097;unsigned yoe=(doe-doe/1460+doe/36524-doe/146096)/365;long y=yoe+era*400;unsigned doy=doe-(365*yoe+yoe/4-yoe/100);unsigned mp=(5*doy+2)/153;unsigned d=doy-(153*mp+2)/5+1;unsigned m=mp<10?mp+3:mp-9;y+=m<=2;
 o+=sprintf(o,"%04ld-%02u-%02uT%02d:%02d:%02d",y,m,d,r/3600,r/60%60,r%60);if(frac==7)o+=sprintf(o,".%07dZ",f);else if(frac==3)o+=sprintf(o,".%03dZ",f/10000);else o+=sprintf(o,"Z");return o;}
static char*email(char*o,u32 u){u64 h=mix(u*77+5);return o+sprintf(o,"%s.%s%d@%s",FN[h&63],LN[(h>>6)&63],(int)((h>>12)%1000),DOM[(h>>40)%12]);}
static char*name(char*o,u32 u){u64 h=mix(u*77+5);const char*a=FN[h&63],*b=LN[(h>>6)&63];return o+sprintf(o,"%c%s %c%s",a[0]-32,a+1,b[0]-32,b+1);}
static char*addr(char*o,u64 h){return o+sprintf(o,"{\"street\":\"%d %c%s %s\",\"city\":\"%s\",\"zip\":\"%05d\",\"country\":\"%c%c\"}",(int)(h%300)+1,WORD[300+(h>>10)%2000][0]-32,WORD[300+(h>>10)%2000]+1,(h>>30)&1?"Street":"Road",CITY[(h>>32)%40],(int)((h>>40)%90000),'A'+(int)((h>>32)%40)%26,'A'+(int)((h>>32)%40*7)%26);}
static ID ctxstream(TR*t,int cat,u32**rev){
 if(!t->has[cat]){t->has[cat]=1;
  if(CLS[cat]==1){t->st[cat]=hid((u64)cat*1000003+t->user);t->rev[cat]=&REVU[cat][t->user];}
  else if(CLS[cat]==2){int k=zs(&zk[cat],E_STREAM);t->st[cat]=hid((u64)cat*1000003+7000000000ULL+k);t->rev[cat]=&REVU[cat][k];}
  else if(rn[cat]>1000&&P(0.25,E_STREAM)){int n=rn[cat]<RING?rn[cat]:RING;RS*r=&ring[cat][R(n,E_STREAM)];t->st[cat]=r->id;t->rev[cat]=&r->rev;}
  else{t->st[cat]=newid(E_STREAM);RS*r=&ring[cat][rn[cat]%RING];rn[cat]++;r->id=t->st[cat];r->rev=0;t->rev[cat]=&r->rev;}}
 if(rev)*rev=t->rev[cat];return t->st[cat];}
static char*data(char*o,TR*t,TY*ty,long long ts){
 *o++='{';int first=1;
 for(int i=0;i<ty->nf;i++){FLD*f=&ty->f[i];
  if(f->opt&&P(0.25,E_DENUM))continue;
  if(!first)*o++=',';first=0;
  if(f->k==F_AGG)o+=sprintf(o,"\"%sId\":",CAT[ty->cat]);
  else if(f->k==F_REF)o+=sprintf(o,"\"%sId\":",CAT[f->x]);
  else o+=sprintf(o,"\"%s\":",FNM[f->k][f->nm]);
  switch(f->k){
  case F_AGG:*o++='"';o=us(o,ctxstream(t,ty->cat,0));*o++='"';break;
  case F_USER:*o++='"';o=us(o,hid(0*1000003+t->user));*o++='"';break;
  case F_EMAIL:*o++='"';o=email(o,t->user);*o++='"';break;
  case F_NAME:*o++='"';o=name(o,t->user);*o++='"';break;
  case F_PRICE:{u32 c=t->cents;if(P(0.5,E_DNUM)){double g=exp(3.5+1.2*G())*100;EB[E_DNUM]+=11.5;c=(u32)g+1;}o+=sprintf(o,"%u.%02u",c/100,c%100);break;}
  case F_CUR:o+=sprintf(o,"\"%s\"",CUR[t->cur]);break;
  case F_TIME:{long long d=0;if(f->nm==1){d=(long long)(R(60,E_DTIME)+1)*864000000000LL;*o++='"';o=iso(o,(ts+d)/864000000000LL*864000000000LL,0);*o++='"';}else{d=(long long)(exp(2+1.5*G())*10000);EB[E_DTIME]+=5.5;*o++='"';o=iso(o,ts-d,3);*o++='"';}break;}
  case F_TEXT:{int n=3+R(f->x%3==0?18:8,E_DTEXT);*o++='"';for(int k=0;k<n;k++){if(k)*o++=' ';char*w=WORD[zs(&zw,E_DTEXT)];o+=sprintf(o,"%s",w);}*o++='"';break;}
  case F_INT:o+=sprintf(o,"%u",f->x%3==0?R(1000,E_DNUM):f->x%3==1?R(8,E_DNUM)+1:R(100000,E_DNUM));break;
  case F_ENUM:{int m=2+f->x%6;int v=P(0.6,E_DENUM)?0:(int)R(m,E_DENUM);o+=sprintf(o,"\"%s\"",WORD[1000+(f->x*37+v*11+ty->cat*5)%2500]);break;}
  case F_BOOL:o+=sprintf(o,P(0.3,E_DENUM)?"true":"false");break;
  case F_ADDR:o=addr(o,mix(t->user*31+(f->nm==2)));break;
  case F_PHONE:o+=sprintf(o,"\"+%d %d %07d\"",(int)(mix(t->user)%80)+10,(int)(mix(t->user+9)%900)+100,(int)(mix(t->user+99)%10000000));break;
  case F_ITEMS:{*o++='[';for(int k=0;k<t->nsku;k++){if(k)*o++=',';u64 h=mix(t->sku[k]*3+1);o+=sprintf(o,"{\"sku\":\"SKU-%06u\",\"qty\":%u,\"price\":%u.%02u}",(u32)(h%900000)+100000,(u32)(mix(t->sku[k]*7+t->cents)%5)+1,(u32)(h>>20)%200,(u32)(h>>50)%100);}*o++=']';break;}
  case F_UUID:*o++='"';o=us(o,newid(E_DUUID));*o++='"';break;
  case F_HEX:{*o++='"';int n=16+16*(f->nm&1);u64 h=0;for(int k=0;k<n;k++){if(!(k&15))h=rnd();*o++="0123456789abcdef"[h&15];h>>=4;}EB[E_DHEX]+=4*n;*o++='"';break;}
  case F_IP:{u64 h=mix(t->user+4242);o+=sprintf(o,"\"%d.%d.%d.%d\"",(int)(h&127)+60,(int)(h>>8&255),(int)(h>>16&255),(int)(h>>24&255));break;}
  case F_UA:{u64 h=mix(t->user+31337)%60;o+=sprintf(o,"\"Mozilla/5.0 (%s) AppleWebKit/%d.%d Chrome/%d.0\"",h%3==0?"Windows NT 10.0; Win64; x64":h%3==1?"Macintosh; Intel Mac OS X 10_15_7":"X11; Linux x86_64",(int)(500+h),(int)h%40,(int)(100+h%25));break;}
  case F_GEO:o+=sprintf(o,"{\"lat\":%.5f,\"lon\":%.5f}",(R(18000000,E_DNUM)-9000000.0)/100000,(R(36000000,E_DNUM)-18000000.0)/100000);break;
  case F_SKU:{u64 h=mix(t->sku[0]*3+1);o+=sprintf(o,"\"SKU-%06u\"",(u32)(h%900000)+100000);break;}
  case F_REF:*o++='"';o=us(o,ctxstream(t,f->x,0));*o++='"';break;
  case F_URL:o+=sprintf(o,"\"https://api.shop.example/v2/%ss/",CAT[f->x]);o=us(o,ctxstream(t,f->x,0));*o++='"';break;
  }}
 *o++='}';*o=0;return o;}
static const char*ERR[6]={"TimeoutException: call to %s exceeded %d ms","ConcurrencyException: expected revision %2$d on %1$s","ValidationException: %s field %d invalid","HttpRequestException: %s responded 50%d","InsufficientFunds: %s code %d","DeadlockException: %s attempt %d"};
int main(int ac,char**av){
 long N=atol(av[1]);u64 seed=atol(av[2]);FILE*fj=strcmp(av[3],"-")?fopen(av[3],"w"):0;FILE*fb=fopen(av[4],"w");double rate=ac>5?atof(av[5]):2000;
 if(fj)setvbuf(fj,0,_IOFBF,1<<20);setvbuf(fb,0,_IOFBF,1<<20);
 // fixed "schema" rng (same across seeds)
 for(int i=0;i<4;i++)S[i]=mix(99+i);
 static const char*syl[]={"ra","to","mi","ne","lo","ka","ser","vic","pro","den","ti","on","al","ver","ma","con","sta","ble","ing","ex","por","ter","qui","sol","fu","har","wen","dro","lis","pe"};
 for(int i=0;i<4000;i++){char b[40];int n=1+(i>60)+(rnd()%3);b[0]=0;for(int k=0;k<n;k++)strcat(b,syl[rnd()%30]);WORD[i]=strdup(b);}
 int wsum=0;for(int i=0;i<F_N;i++)wsum+=FW[i];
 for(int c=0;c<NCAT;c++)for(int v=0;v<NV;v++){TY*t=&T[c*NV+v];int vv=(v+c*3)%16;t->cat=c;t->verb=vv;sprintf(t->name,"%s%s",CC[c],VERB[vv]);sprintf(t->h[0],"%s%sHandler",IMP[vv],CC[c]);sprintf(t->h[1],"%sSaga.On%s",CC[(c+5)%NCAT],VERB[(vv+3)%16]);
  t->nf=0;t->f[t->nf++]=(FLD){F_AGG,0,0,0};int n=5+rnd()%10;u32 used[F_N]={0};
  while(t->nf<n){int w=rnd()%wsum,k=0;while(w>=FW[k])w-=FW[k++];int nm=rnd()&3;int x=rnd()&255;if(k==F_REF||k==F_URL){x=rnd()%NCAT;if(k==F_REF&&x==c)continue;nm=x&3;if(used[k])continue;}if(used[k]>>nm&1)continue;if((k==F_ADDR||k==F_ITEMS||k==F_EMAIL||k==F_NAME||k==F_UUID||k==F_HEX||k==F_CUR||k==F_GEO||k==F_SKU)&&used[k])continue;used[k]|=1<<nm;t->f[t->nf++]=(FLD){k,nm,rnd()%4==0,x};}
  for(int k=0;k<5;k++)t->next[k]=rnd()%NT;}
 for(int i=0;i<4;i++)S[i]=mix(seed*1000+i);
 zu=zipf(NU,0.7);zw=zipf(4000,1.0);for(int c=0;c<NCAT;c++){if(CLS[c]==2)zk[c]=zipf(CATN[c],0.9);if(CLS[c])REVU[c]=calloc(CLS[c]==1?NU:CATN[c],4);else ring[c]=malloc(sizeof(RS)*RING);}
 u32 trc=1<<20,trn=0;TR**tr=calloc(trc,sizeof(TR*));u32*freel=malloc(4*trc);u32 fn=0;
 double meansize=15;double trate=rate/meansize; // traces per second
 long long t0=17982000000000000LL/1*1; t0=(1795413600LL)*10000000LL; double nextT=0;u64 pos=0x12345678900ULL,seq=0;long n=0;u64 jb=0,mb=0,db=0;u64 ntr=0;double maxact=0;
 char md[2048],dt[8192],line[12000],sid[128],ss[64],tsb[64],cb[64],ib[64];double entpos=0,entts=0;long long lastt=t0;
 while(n<N){
  while(hn==0||H[0].t>t0+(long long)(nextT*1e7)){
   u32 id=fn?freel[--fn]:trn++;if(id>=trc){fprintf(stderr,"too many\n");return 1;}
   if(!tr[id])tr[id]=malloc(sizeof(TR));TR*t=tr[id];memset(t,0,sizeof*t);
   t->corr=newid(E_CORR);t->hex=P(0.15,E_CORR);if(P(0.7,E_CAUSE))t->rootcause=t->corr;else t->rootcause=newid(E_CAUSE);
   t->user=zs(&zu,E_DUSER);int sz=(int)exp(log(9)+0.95*G());if(sz<3)sz=3;if(sz>200)sz=200;EB[E_TREE]+=5;t->left=sz;t->cur=R(5,E_DENUM);t->cents=(u32)(exp(3.5+1.2*G())*100)+1;EB[E_DNUM]+=11.5;t->nsku=1+R(4,E_DNUM);for(int k=0;k<t->nsku;k++)t->sku[k]=zs(&zk[6],E_DNUM);
   int rt=(int)(R(40,E_TYPE))*6%NT;t->left--;t->pend=1;push((EV){t0+(long long)(nextT*1e7),id,rt,t->rootcause,-1,seq++});ntr++;
   nextT+=-log(U()+1e-18)/trate;}
  EV e=pop();TR*t=tr[e.tr];TY*ty=&T[e.type];t->pend--;
  ID eid=newid(E_ID);u32*rev;ID st=ctxstream(t,ty->cat,&rev);u32 rv=(*rev)++;
  char*o=us(sid+sprintf(sid,"%s-",CAT[ty->cat]),st);int sl=o-sid;
  us(cb,t->corr);if(t->hex){char b2[64];int k=0;for(char*p=cb;*p;p++)if(*p!='-')b2[k++]=*p;b2[k]=0;strcpy(cb,b2);}
  if(e.ptype==-1&&t->rootcause.a==t->corr.a)strcpy(ss,cb);else us(ss,e.parent);
  int hsel=P(0.2,E_META);double ms=exp(2.2+1.0*G());EB[E_META]+=8.5;int ml=sprintf(md,"{\"$correlationId\":\"%s\",\"$causationId\":\"%s\",\"service\":\"%s\",\"handler\":\"%s\",\"user\":\"usr_%08x\",\"ms\":%.1f",cb,ss,SVC[ty->cat%12],ty->h[hsel],(u32)mix(t->user+17),ms);
  if(P(0.015,E_META)){ml+=sprintf(md+ml,",\"error\":\"");char eb[160];sprintf(eb,ERR[R(6,E_META)],SVC[R(12,E_META)],R(3000,E_META));ml+=sprintf(md+ml,"%s\"",eb);}
  md[ml++]='}';md[ml]=0;
  int dl=data(dt,t,ty,e.t)-dt;iso(tsb,e.t,7);us(ib,eid);int tl=strlen(ty->name);
  double dlt=e.t-lastt;if(dlt<0)dlt=0;entts+=log2(dlt+1)+1;lastt=e.t;
  if(fj){int L=sprintf(line,"{\"id\":\"%s\",\"stream\":\"%s\",\"revision\":%u,\"type\":\"%s\",\"created\":\"%s\",\"data\":%s,\"metadata\":%s}\n",ib,sid,rv,ty->name,tsb,dt,md);fwrite(line,1,L,fj);jb+=L;}
  // bin: u32 len,16 id,u64 pos,i64 ts,u32 rev,u16 sl,u16 tl,u16 ml,u16 dl,...
  {u8 h[48];u8 idb[16];for(int k=0;k<8;k++){idb[k]=eid.a>>(56-8*k);idb[8+k]=eid.b>>(56-8*k);}u32 tot=44+sl+tl+ml+dl;memcpy(h,&tot,4);memcpy(h+4,idb,16);memcpy(h+20,&pos,8);memcpy(h+28,&e.t,8);memcpy(h+36,&rv,4);uint16_t x[4]={sl,tl,ml,dl};memcpy(h+40,x,8);fwrite(h,1,48,fb);fwrite(sid,1,sl,fb);fwrite(ty->name,1,tl,fb);fwrite(md,1,ml,fb);fwrite(dt,1,dl,fb);}
  mb+=ml;db+=dl;n++;
  u64 gap=(sl+tl+ml+dl+120);if(P(0.05,E_META))gap+=64+R(2000,E_META);pos+=gap;
  // children
  if(t->left>0){int k;double u=U();EB[E_TREE]+=1.5;k=u<0.35?0:u<0.7?1:u<0.9?2:u<0.97?3:5;if(t->pend==0&&k==0)k=1;if(k>t->left)k=t->left;
   long long base=0;int ct=0;
   for(int i=0;i<k;i++){int same=i>0&&P(0.5,E_TREE);if(!same){double d=exp(log(0.08)+1.5*G());if(U()<0.08)d+=U()*60;base=e.t+(long long)(d*1e7)+1;int pick=zs(&(Z){5,(double[]){0.45,0.7,0.85,0.95,1.0}},E_TYPE);ct=ty->next[pick];}
    else{base+=1+rnd()%200;int c=ct/NV;ct=c*NV+(ct%NV+1)%NV;}
    t->left--;t->pend++;push((EV){base,e.tr,ct,eid,e.type,seq++});}}
  if(t->left==0&&t->pend==0){freel[fn++]=e.tr;}
  double act=(double)trn-fn;if(act>maxact)maxact=act;
 }
 fprintf(stderr,"events %ld traces %llu mean %.1f active-max %.0f span %.0fs ndjson B/ev %.1f meta %.1f data %.1f\n",n,(unsigned long long)ntr,(double)n/ntr,maxact,(lastt-t0)/1e7,(double)jb/n,(double)mb/n,(double)db/n);
 double tot=0;for(int i=0;i<E_N;i++){fprintf(stderr,"  %-16s %7.2f B/ev\n",EN[i],EB[i]/8/n);tot+=EB[i]/8/n;}fprintf(stderr,"  %-16s %7.2f B/ev (log2 delta)\n  total floor %.2f\n","ts",entts/8/n,tot+entts/8/n);
 return 0;}
